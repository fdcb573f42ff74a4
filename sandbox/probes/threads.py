"""Starts threads that wait, as many as it may up to `count`, and ends them all."""

import json
import sys
import threading

count = json.loads(sys.argv[1])["count"]
threading.stack_size(64 * 1024)
over, started, refused = threading.Event(), [], ""
try:
    for _ in range(count):
        thread = threading.Thread(target=over.wait, args=(5,))
        thread.start()
        started.append(thread)
except RuntimeError as error:  # Python's only word for a refusal of the kernel
    if str(error) != "can't start new thread":
        raise
    refused = str(error)
over.set()
for thread in started:
    thread.join()
detail = f"{len(started)} threads at once" + (f", then: {refused}" if refused else "")
print(json.dumps({"fired": not refused, "detail": detail}))
