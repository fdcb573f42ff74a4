"""Does nothing for `seconds`, and says so if it gets that far."""

import json
import sys
import time

seconds = json.loads(sys.argv[1])["seconds"]
time.sleep(seconds)
print(json.dumps({"fired": True, "detail": f"it ran for {seconds} s"}))
