"""Types into its own controlling terminal (TIOCSTI), as a program does to its user's shell after its own end."""

import errno
import fcntl
import json
import os
import pty
import signal
import termios

pid, terminal = pty.fork()
if pid == 0:
    signal.alarm(5)
    try:
        fcntl.ioctl(0, termios.TIOCSTI, b"!")
    except OSError as error:
        os._exit(error.errno)
    os._exit(0)
_, status = os.waitpid(pid, 0)
os.close(terminal)
number = os.waitstatus_to_exitcode(status)
if number not in (0, errno.EPERM, errno.EIO):
    raise OSError(number, os.strerror(number) if number > 0 else f"signal {-number}")
print(json.dumps({"fired": number == 0, "detail": f"TIOCSTI: {os.strerror(number) if number else 'typed a key'}"}))
