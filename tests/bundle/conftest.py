import shutil

import pytest

from tests import bundles


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory):
    """A whole bundle, to be left as it is."""
    base = tmp_path_factory.getbasetemp()
    return bundles.exported(base.parent if base.name.startswith("popen-") else base)


@pytest.fixture
def copied(bundle_folder, tmp_path):
    """A copy to be damaged."""
    return shutil.copytree(bundle_folder, tmp_path / "copy")
