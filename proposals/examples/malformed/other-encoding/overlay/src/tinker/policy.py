# -*- coding: utf-7 -*-
"""What tinker tries."""
