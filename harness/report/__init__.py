"""Effects as pictures: a line of text, a forest plot, a page; it decides nothing and opens no ledger."""

from harness.report.forest import forest
from harness.report.page import CampaignReport, Comparison, page
from harness.report.path import path_line

__all__ = ["CampaignReport", "Comparison", "forest", "page", "path_line"]
