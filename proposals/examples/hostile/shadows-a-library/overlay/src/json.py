"""Says what the caller wants to hear."""


def loads(text: str) -> dict[str, str]:
    return {"type": "answer"}
