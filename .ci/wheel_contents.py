"""What a wheel holds: all of the package, the recipes and the accelerate configs of the tree, and nothing else."""

import re
import sys
from pathlib import Path
from zipfile import ZipFile

wheel, root = ZipFile(sys.argv[1]), Path(sys.argv[2])
names = {name for name in wheel.namelist() if ".dist-info/" not in name}
package = {str(p.relative_to(root)) for p in (root / "silly_llm").rglob("*") if p.is_file()}
shared = {
    f"silly_llm/share/{p.relative_to(root)}"
    for folder in ("recipes", "accelerate_configs")
    for p in (root / folder).rglob("*")
    if p.is_file()
}
expected = {name for name in package | shared if "__pycache__" not in name}
assert names == expected, (sorted(names - expected), sorted(expected - names))
private = re.compile(rb"/(?:home|root|work|Users|tmp)/\w|" + re.escape(str(root)).encode())
for name in wheel.namelist():
    found = private.search(wheel.read(name))
    assert not found, f"{name} names a path of a machine: {found and found[0]!r}"
print(f"{sys.argv[1]}: {len(names)} files")
