"""What setup.cfg cannot say: recipes/ and accelerate_configs/ lie beside the package here, and inside it in a wheel."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHARED = ("recipes", "accelerate_configs")


class BuildWithRecipes(build_py):
    def run(self):
        super().run()
        if not self.editable_mode:
            for folder in SHARED:
                target = Path(self.build_lib, "silly_llm", "share", folder)
                shutil.rmtree(target, ignore_errors=True)  # an earlier build's
                shutil.copytree(folder, target)


setup(cmdclass={"build_py": BuildWithRecipes})
