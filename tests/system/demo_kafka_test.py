"""tools/demo --kafka tells its story, and ends its broker too."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BIN, ROOT, SystemTest, main  # noqa: E402

# About a minute; a busy machine takes much longer.
STORY_SECONDS_MAX = 600


class DemoKafkaTest(SystemTest):
    # CR-2.4b, CR-3.3.5
    def test_the_story_with_broker_and_subscribers_holds(self):
        kept = self.path("kept")
        done = subprocess.run([os.path.join(ROOT, "tools", "demo"), "--kafka", "--keep", kept],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              timeout=STORY_SECONDS_MAX, env=dict(os.environ, RECORDS_BIN=BIN))
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr)
        broker = [os.path.join(ROOT, "tools", "broker"), "status", "--data", os.path.join(kept, "broker")]
        self.assertNotEqual(subprocess.run(broker, capture_output=True, check=False).returncode, 0)


if __name__ == "__main__":
    main()
