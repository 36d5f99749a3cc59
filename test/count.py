"""Count what pytest reports say: one report into numbers, or a tier's numbers into its closing line."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def read(report: str, status: int) -> tuple[int, int, int]:
    """Passed, failed and skipped; a pytest that ended badly without naming a failure counts as one."""
    try:
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return 0, 1, 0
    total, failures, errors, skipped = (
        sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    return max(total - failed - skipped, 0), failed or int(status != 0), skipped


def main(arguments: list[str]) -> int:
    """Print the numbers of one report, or with --sum the closing line; exit 1 when anything failed or nothing ran."""
    if arguments[0] != "--sum":
        print(*read(arguments[0], int(arguments[1])))
        return 0
    numbers = [tuple(map(int, Path(name).read_text().split())) for name in arguments[2:]]
    passed, failed, skipped = (sum(column) for column in zip(*numbers, strict=True))
    print(f"{arguments[1]}: {passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return int(bool(failed) or not passed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
