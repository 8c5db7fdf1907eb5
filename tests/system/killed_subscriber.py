"""Runs an example of tools/examples and kills it at a step: killed_subscriber.py STEP PROGRAM ARGUMENT...

  effect     the effect of a record is made, its transaction is not committed
  committed  the transaction is committed, the brokers are not told
  dropped    an erased subject's data is deleted, the ledger is not told
  confirmed  the ledger is told, the place is not kept
"""
import os
import runpy
import signal
import sys
from types import SimpleNamespace


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def after(function):
    def call(*arguments):
        function(*arguments)
        die()
    return call


def main():
    step, program, *arguments = sys.argv[1:]
    sys.path.insert(0, os.path.dirname(program))
    import subscriber  # noqa: PLC0415  its folder is known now
    import topic  # noqa: PLC0415
    if step == "effect":
        subscriber.Subscriber.take = after(subscriber.Subscriber.take)
    elif step == "committed":
        topic.Topic.passed = die
    elif step == "confirmed":
        subscriber.Subscriber.erase = after(subscriber.Subscriber.erase)
    elif step == "dropped":
        erase = subscriber.Subscriber.erase

        def erase_and_die(self, *rest):
            self.erasures = SimpleNamespace(ConfirmErasure=die)
            erase(self, *rest)
        subscriber.Subscriber.erase = erase_and_die
    else:
        sys.exit(__doc__)
    sys.argv = [program, *arguments]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
