"""Answers the judge: starts a repair, or goes on with it. It decides nothing; the policy's search does."""

from typing import Any

from tinker import engine, policy


class Worker:
    session: engine.Repair  # the one that is under way

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The next message of the repair; a policy that fails in any way gives this task up."""
        try:
            if body["type"] == "repair":
                self.session = engine.solve(body, policy.search)
                return next(self.session)
            return self.session.send(body["results"])
        except StopIteration as end:
            return dict(end.value)
        except Exception:
            return {"type": "give_up"}


if __name__ == "__main__":
    engine.serve(Worker().answer)
