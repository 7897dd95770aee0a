# Asks an NTP server eight times and prints a line of JSON for each answer.
import json
import sys

try:
    import ntplib
except ImportError:
    sys.exit("Python's ntplib is missing: install Debian's package python3-ntplib")

host, port, version = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for _ in range(8):
    answer = ntplib.NTPClient().request(host, port=port, version=version, timeout=5)
    assert answer.mode == 4, answer.mode
    assert answer.version == version, answer.version
    sample = {"offset": answer.offset, "delay": answer.delay, "stratum": answer.stratum}
    print(json.dumps(sample))
