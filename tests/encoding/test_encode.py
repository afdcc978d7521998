import os
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import srmm.encoding.chunks
from srmm.data.embeddings import Embeddings
from srmm.data.store import load_embeddings, read_manifest, save_embeddings
from srmm.data.table import Table, read_table
from srmm.encoders import load_encoder
from srmm.encoding.encode import encode
from srmm.encoding.packed import Packed
from srmm.encoding.transformer import Encode
from srmm.errors import InputError, SrmmError
from tests.encoding.hash_encoder import HashEncoder


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(srmm.encoding.chunks, "CHUNK_ITEMS", 4)


def table_of(frame: dict, folder: Path | None = None, **roles) -> Table:
    return read_table(pd.DataFrame(frame), folder=folder, **roles)


def texts(*items) -> Table:
    return table_of({"t": list(items)}, text="t")


def draw(path: Path, colour: str = "red") -> str:
    image = Image.new("RGB", (40, 30), "white")
    ImageDraw.Draw(image).rectangle((5, 5, 30, 20), fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path.name


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# Items longer than an encoder reads ----------------------------------------------------------


class FirstFive(HashEncoder):
    limit = "5 letters"

    def is_cut(self, item):
        return len(item) > 5


def test_cut_items_are_counted_by_row_and_stay_counted(tmp_path, small_chunks):
    words = ["short", "too long", None, "too long", "also too long", "a", "b", "c", "d"]
    store = tmp_path / "s"
    result = encode(texts(*words), {"text": FirstFive("text")}, store)
    about = result.summary.modalities["text"]
    assert (about.cut, about.limit, about.present) == (3, "5 letters", 8)
    said = "3 of 8 texts of 'text' were cut at 5 letters"
    assert said in str(result.summary)
    assert result.summary.cut_notes[0].startswith(said)
    assert result.embeddings.encoders["text"]["cut"] == {"items": 3, "of": 8, "limit": "5 letters"}
    again = encode(texts(*words), {"text": FirstFive("text")}, store)
    assert (again.summary.modalities["text"].cut, again.summary.modalities["text"].encoded) == (
        3,
        0,
    )
    more = encode(texts(*words, "longer"), {"text": FirstFive("text")}, store).summary
    assert (more.modalities["text"].cut, more.modalities["text"].encoded) == (4, 1)
    assert encode(texts("a", "b"), {"text": FirstFive("text")}).summary.notes == ()


class Latin(HashEncoder):
    def is_unknown(self, item):
        return not item.isascii()


def test_texts_in_letters_that_the_encoder_does_not_know_are_counted(tmp_path):
    said = "2 of 4 different texts of 'text', such as 'รองเท้า', are for the most part of letters"
    words = texts("รองเท้า", "หมวก", "หมวก", "hat", None, "shoe")
    for _ in range(2):  # a store is no reason to be silent
        assert said in " ".join(
            encode(words, {"text": Latin("text")}, tmp_path / "s").summary.notes
        )
    few = texts("รองเท้า", "หมวก", *(f"hat {n}" for n in range(100)))
    assert encode(few, {"text": Latin("text")}).summary.notes == ()
    assert encode(texts("หมวก"), {"text": Latin("text")}).summary.notes == ()


def test_cut_items_are_counted_when_a_killed_job_goes_on(tmp_path, small_chunks):
    words = ["too long", "x", "y", "z", "never seen", "also too long"]

    class Killed(FirstFive):
        def encode(self, prepared):
            if any("never" in item for item in prepared):
                raise KeyboardInterrupt
            return super().encode(prepared)

    with pytest.raises(KeyboardInterrupt):
        encode(texts(*words), {"text": Killed("text")}, tmp_path / "s", batch_size=2)
    done = encode(texts(*words), {"text": FirstFive("text")}, tmp_path / "s", batch_size=2)
    about = done.summary.modalities["text"]
    assert (about.resumed, about.encoded, about.cut) == (4, 2, 3)


# Holes and repeated items --------------------------------------------------------------------


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    cells=st.lists(
        st.tuples(
            st.one_of(st.none(), st.sampled_from(["a", "b", "a b", "zz", "Ünï"])),
            st.one_of(st.none(), st.integers(0, 3)),
        ),
        min_size=1,
        max_size=30,
    ).filter(lambda rows: any(cell is not None for row in rows for cell in row)),
    batch_size=st.integers(1, 5),
    chunk=st.integers(1, 6),
)
def test_each_row_gets_the_embedding_of_its_own_item(cells, batch_size, chunk):
    """For any holes and repetitions, any batches and chunks: the item's own embedding or none."""
    columns = {"t": [t for t, _ in cells], "v": [None if v is None else [v, 1.0] for _, v in cells]}
    table = table_of(columns, text="t", features="v")
    before = srmm.encoding.chunks.CHUNK_ITEMS
    srmm.encoding.chunks.CHUNK_ITEMS = chunk
    try:
        encoder = HashEncoder("text")
        result = encode(table, {"text": encoder}, batch_size=batch_size)
    finally:
        srmm.encoding.chunks.CHUNK_ITEMS = before
    embeddings = result.embeddings
    assert len(encoder.seen) == len(set(encoder.seen)) == len({t for t, _ in cells} - {None})
    for m, name in enumerate(embeddings.modalities):
        present = [row[0 if name == "text" else 1] is not None for row in cells]
        assert embeddings.present[:, m].tolist() == present
    if "text" in embeddings.modalities:
        dense = embeddings.to_array("text")
        for row, (text, _) in enumerate(cells):
            if text is not None:
                np.testing.assert_array_equal(dense[row], HashEncoder.embed(text))
    if "features" in embeddings.modalities:
        dense = embeddings.to_array("features")
        expected = [[np.nan, np.nan] if v is None else [v, 1] for _, v in cells]
        np.testing.assert_array_equal(dense, expected)


def test_labels_ids_split_and_sources_come_along(tmp_path):
    draw(tmp_path / "p/1.png")
    table = table_of(
        {
            "photo": ["p/1.png", None, "p/2.png"],
            "title": ["one", "two", None],
            "y": ["a", None, "b"],
            "key": ["x", "y", "z"],
            "part": ["train", "test", None],
        },
        tmp_path,
        image="photo",
        text="title",
        label="y",
        id="key",
        split="part",
    )
    result = encode(table, {"image": HashEncoder("image"), "text": HashEncoder("text")})
    got = result.embeddings
    assert got.labels.tolist() == ["a", None, "b"]
    assert got.ids.tolist() == ["x", "y", "z"]
    assert got.split.tolist() == ["train", "test", None]
    assert got.raw["text"].tolist() == ["one", "two", None]
    assert got.raw["image"].tolist() == [str(tmp_path / "p/1.png"), None, None]
    assert got.encoders["text"] == HashEncoder("text").settings
    image = result.summary.modalities["image"]
    assert (image.present, image.empty, image.missing_files, image.unreadable) == (1, 1, 1, 0)
    assert str(tmp_path / "p/2.png") in str(result.summary)
    assert "1 present, 1 empty, 1 missing file (" in str(result.summary)


def test_pictures_in_memory_and_in_archives(tmp_path):
    draw(tmp_path / "red.png")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.write(tmp_path / "red.png", "1.png")
    data = (tmp_path / "red.png").read_bytes()
    items = ["red.png", data, Image.open(tmp_path / "red.png"), "photos/1.png", {"bytes": data}]
    column = np.empty(len(items), dtype=object)
    column[:] = items
    table = Table(
        items={"image": column},
        kinds={"image": "image"},
        ids=np.arange(5),
        labels=None,
        split=None,
        folder=tmp_path,
        name="memory",
        first_line=None,
    )
    result = encode(table, {"image": HashEncoder("image")})
    dense = result.embeddings.to_array("image")
    assert len(np.unique(dense, axis=0)) == 1
    assert result.embeddings.raw["image"].tolist() == [
        str(tmp_path / "red.png"),
        None,
        None,
        str(tmp_path / "photos/1.png"),
        None,
    ]


# Missing, unreadable, strict -----------------------------------------------------------------


@pytest.fixture
def broken(tmp_path) -> Table:
    names = [draw(tmp_path / f"{k}.png", colour) for k, colour in enumerate(["red", "blue"])]
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "half.png").write_bytes((tmp_path / "0.png").read_bytes()[:60])
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    faulty = [
        "empty.png",
        "text.png",
        "half.png",
        "folder.png",
        "loop.png",
        "a\nb.png",
        "empty.png",
    ]
    frame = pd.DataFrame({"photo": [*names, *faulty, None], "key": list("abcdefghij")})
    return read_table(frame, image="photo", id="key", folder=tmp_path)


def test_unreadable_items_count_as_absent_and_are_listed(broken):
    result = encode(broken, {"image": HashEncoder("image")})
    assert result.embeddings.present[:, 0].tolist() == [True] * 2 + [False] * 8
    about = result.summary.modalities["image"]
    assert (about.present, about.unreadable, about.missing_files, about.empty) == (2, 6, 1, 1)
    frame = result.summary.to_frame()
    assert frame["row"].tolist() == [2, 3, 4, 5, 6, 8]
    assert frame["id"].tolist() == list("cdefgi")
    assert set(frame["modality"]) == {"image"}
    assert frame["item"].iloc[0] == "empty.png"
    for reason, word in zip(
        frame["reason"], ["empty", "image", "", "folder", "link"], strict=False
    ):
        assert word in reason
    shown = str(result.summary)
    assert "6 unreadable" in shown
    assert "id 'c'" in shown
    assert asdict(result.summary)["unreadable"][0]["id"] == "c"


def test_strict_names_them(broken):
    with pytest.raises(InputError, match=r"6 image items .* cannot be read:\n.*row 2 .*id 'c'"):
        encode(broken, {"image": HashEncoder("image")}, strict=True)


def test_strict_stops_at_the_first_chunk_with_a_fault(tmp_path, small_chunks):
    column = np.array(["bad\ud800", *(f"text {i}" for i in range(50))], dtype=object)
    table = texts("x")
    table = Table(**{**vars(table), "items": {"text": column}, "ids": np.arange(51)})
    encoder = HashEncoder("text")
    with pytest.raises(InputError, match="1 text item of"):
        encode(table, {"text": encoder}, strict=True)
    assert len(encoder.seen) == 3


def test_strict_names_ten_and_counts_the_rest():
    column = np.array([f"bad\ud800{i}" for i in range(14)], dtype=object)
    table = Table(**{**vars(texts("x")), "items": {"text": column}, "ids": np.arange(14)})
    with pytest.raises(InputError, match="14 text items") as caught:
        encode(table, {"text": HashEncoder("text")}, strict=True)
    assert str(caught.value).count("not valid Unicode") == 10
    assert "and 4 more" in str(caught.value)


def test_no_file_at_all_is_a_wrong_column_or_folder(tmp_path):
    table = table_of({"photo": ["1.png", "2.png"]}, tmp_path / "pictures", image="photo")
    with pytest.raises(InputError, match="None of the 2 image files") as caught:
        encode(table, {"image": HashEncoder("image")})
    assert str(tmp_path / "pictures" / "1.png") in str(caught.value)


def test_an_embedding_that_is_not_finite_is_unreadable():
    class Broken(HashEncoder):
        def encode(self, prepared):
            out = super().encode(prepared)
            out[[text == "bad" for text in prepared]] = np.nan
            return out

    result = encode(texts("good", "bad"), {"text": Broken("text")})
    assert result.embeddings.present[:, 0].tolist() == [True, False]
    assert "NaN" in result.summary.unreadable[0].reason


def test_an_encoder_of_the_wrong_shape_is_named():
    class Short(HashEncoder):
        def encode(self, prepared):
            return super().encode(prepared)[:-1]

    with pytest.raises(InputError, match=r"'hash' returned an array of shape \(1, 8\) for 2 items"):
        encode(texts("a", "b"), {"text": Short("text")})


@pytest.mark.parametrize(
    ("encoders", "message"),
    [
        ({"txt": "minilm"}, "no modality 'txt'.*Did you mean 'text'"),
        ({"text": "minlm"}, "Did you mean 'minilm'"),
        ({"text": "efficientnet-lite0"}, "reads image items, not text"),
        ({"text": HashEncoder("image")}, "reads image items, but those of 'text' are text"),
        ({"text": 7}, "got int"),
    ],
)
def test_wrong_encoders_are_explained(encoders, message):
    with pytest.raises(InputError, match=message):
        encode(texts("a"), encoders)


@pytest.mark.parametrize("option", [{"batch_size": 0}, {"workers": -1}])
def test_counts_must_be_positive(option):
    with pytest.raises(InputError, match="must be at least 1"):
        encode(texts("a"), {"text": HashEncoder("text")}, **option)


# The store: made, found again, added to ------------------------------------------------------


def test_a_store_is_made_and_found_again(tmp_path, small_chunks):
    output = tmp_path / "store"
    table = table_of({"t": [*"abcdefgh", None, "a"], "y": list("xyxyxyxyxy")}, text="t", label="y")
    first = HashEncoder("text")
    made = encode(table, {"text": first}, output)
    assert isinstance(made.embeddings.values["text"], np.memmap)
    assert not (tmp_path / "store.partial").exists()
    in_memory = encode(table, {"text": HashEncoder("text")}).embeddings
    np.testing.assert_array_equal(made.embeddings.to_array("text"), in_memory.to_array("text"))
    about = made.summary.modalities["text"]
    assert (about.unique_items, about.encoded, about.present) == (8, 8, 9)
    assert sorted(first.seen) == list("abcdefgh")

    before, stamps = contents(output), {f: f.stat().st_mtime_ns for f in output.iterdir()}
    second = HashEncoder("text")
    again = encode(table, {"text": second}, output)
    assert second.seen == []
    assert again.summary.modalities["text"].reused == 8
    assert again.embeddings.labels.tolist() == made.embeddings.labels.tolist()
    assert contents(output) == before
    assert {f: f.stat().st_mtime_ns for f in output.iterdir()} == stamps  # nothing was written


def test_unreadable_items_are_listed_again_by_a_run_that_reuses(broken, tmp_path):
    for _ in range(2):
        encoder = HashEncoder("image")
        result = encode(broken, {"image": encoder}, tmp_path / "store")
        assert len(result.summary.unreadable) == 6
    assert encoder.seen == []


def test_new_rows_are_added_and_nothing_else_encoded(tmp_path, small_chunks):
    words = [f"word {i}" for i in range(11)]
    encode(texts(*words[:6]), {"text": HashEncoder("text")}, tmp_path / "store")
    encoder = HashEncoder("text")
    result = encode(texts(*words), {"text": encoder}, tmp_path / "store")
    assert sorted(encoder.seen) == sorted(words[6:])
    about = result.summary.modalities["text"]
    assert (about.reused, about.encoded) == (6, 5)
    encode(texts(*words), {"text": HashEncoder("text")}, tmp_path / "fresh")
    assert contents(tmp_path / "store") == contents(tmp_path / "fresh")
    again = HashEncoder("text")
    stamp = (tmp_path / "store" / "manifest.json").stat().st_mtime_ns
    encode(texts(*words), {"text": again}, tmp_path / "store")
    assert again.seen == []
    assert (tmp_path / "store" / "manifest.json").stat().st_mtime_ns == stamp


def test_rows_in_another_order_and_new_labels_are_rewritten_without_encoding(tmp_path):
    roles = {"text": "t", "label": "y", "id": "k"}
    table = table_of({"t": ["a", "b"], "y": ["p", "q"], "k": ["1", "2"]}, **roles)
    encode(table, {"text": HashEncoder("text")}, tmp_path / "store")
    table = table_of({"t": ["b", "a"], "y": ["q", "r"], "k": ["2", "1"]}, **roles)
    encoder = HashEncoder("text")
    got = encode(table, {"text": encoder}, tmp_path / "store").embeddings
    assert encoder.seen == []
    assert got.labels.tolist() == ["q", "r"]
    np.testing.assert_array_equal(got.to_array("text"), [*map(HashEncoder.embed, ["b", "a"])])


def test_a_modality_is_added_without_encoding_the_other(tmp_path):
    draw(tmp_path / "1.png")
    frame = {"t": ["a", "b"], "photo": ["1.png", None]}
    encode(table_of(frame, tmp_path, text="t"), {"text": HashEncoder("text")}, tmp_path / "store")
    encoders = {"text": HashEncoder("text"), "image": HashEncoder("image")}
    table = table_of(frame, tmp_path, text="t", image="photo")
    got = encode(table, encoders, tmp_path / "store").embeddings
    assert encoders["text"].seen == []
    assert got.present.tolist() == [[True, True], [False, True]]
    with pytest.raises(InputError, match=r"also holds embeddings of 'image'.*would be lost"):
        encode(table_of(frame, text="t"), {"text": HashEncoder("text")}, tmp_path / "store")


def test_a_changed_file_is_encoded_again(tmp_path):
    for k, colour in enumerate(["red", "blue"]):
        draw(tmp_path / f"{k}.png", colour)
    table = table_of({"photo": ["0.png", "1.png"]}, tmp_path, image="photo")
    encode(table, {"image": HashEncoder("image")}, tmp_path / "store")
    draw(tmp_path / "1.png", "green")
    os.utime(tmp_path / "1.png", ns=(1, 1))
    encoder = HashEncoder("image")
    encode(table, {"image": encoder}, tmp_path / "store")
    assert len(encoder.seen) == 1


def test_a_changed_archive_is_encoded_again(tmp_path):
    draw(tmp_path / "red.png")
    draw(tmp_path / "blue.png", "blue")
    table = table_of({"photo": ["photos/1.png"]}, tmp_path, image="photo")
    for colour in ["red", "blue"]:
        with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
            archive.write(tmp_path / f"{colour}.png", "1.png")
        os.utime(tmp_path / "photos.zip", ns=(len(colour), len(colour)))
        encoder = HashEncoder("image")
        encode(table, {"image": encoder}, tmp_path / "store")
        assert len(encoder.seen) == 1


def test_other_settings_are_refused_and_named(tmp_path):
    encode(texts("a"), {"text": HashEncoder("text")}, tmp_path / "store")
    before = contents(tmp_path / "store")
    other = HashEncoder("text", weights="other", size=30)
    with pytest.raises(InputError) as caught:
        encode(texts("a", "b"), {"text": other}, tmp_path / "store")
    message = str(caught.value)
    assert "weights (w there, other now)" in message
    assert "preprocessing.size (none there, 30 now)" in message
    assert contents(tmp_path / "store") == before
    assert other.seen == []


def test_a_model_whose_folder_moved_is_the_same_encoder(tmp_path):
    encode(texts("a"), {"text": HashEncoder("text", spec="clip:/old")}, tmp_path / "store")
    encoder = HashEncoder("text", spec="clip:/new")
    result = encode(texts("a"), {"text": encoder}, tmp_path / "store")
    assert encoder.seen == []
    assert result.embeddings.encoders["text"]["spec"] == "clip:/new"


def test_rows_are_never_lost_from_a_store(tmp_path):
    encode(texts("a", "b", "c"), {"text": HashEncoder("text")}, tmp_path / "store")
    with pytest.raises(InputError, match=r"holds 1 row that .* lacks, the first being 2"):
        encode(texts("a", "b"), {"text": HashEncoder("text")}, tmp_path / "store")


def test_what_is_no_store_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "new.partial").mkdir()
    (tmp_path / "new.partial" / "thesis.txt").write_text("years of work")
    foreign = encode(texts("a"), {"text": HashEncoder("text")}).embeddings
    save_embeddings(foreign, tmp_path / "foreign")
    for name, message in [
        ("mine", "exists and is no embedding store"),
        ("new", r"new\.partial.* is something else"),
        ("foreign", "not made by encoding a table"),
    ]:
        with pytest.raises(InputError, match=message):
            encode(texts("a"), {"text": HashEncoder("text")}, tmp_path / name)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert (tmp_path / "new.partial" / "thesis.txt").read_text() == "years of work"


# Interrupted ---------------------------------------------------------------------------------


class Stopping(HashEncoder):
    """Raises after a number of batches."""

    def __init__(self, kind, batches, error):
        super().__init__(kind)
        self.batches, self.error = batches, error

    def encode(self, prepared):
        if self.batches == 0:
            raise self.error
        self.batches -= 1
        return super().encode(prepared)


WORDS = [f"{'w' * (k % 5)}ord {k}" for k in range(22)]


def test_an_interrupted_run_goes_on_and_ends_in_the_same_bits(tmp_path, small_chunks):
    encode(texts(*WORDS), {"text": HashEncoder("text")}, tmp_path / "whole", batch_size=3)
    stopping = Stopping("text", 5, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        encode(texts(*WORDS), {"text": stopping}, tmp_path / "store", batch_size=3)
    assert not (tmp_path / "store").exists()
    encoder = HashEncoder("text")
    result = encode(texts(*WORDS), {"text": encoder}, tmp_path / "store", batch_size=3)
    about = result.summary.modalities["text"]
    assert (about.resumed, about.encoded) == (8, 14)  # two chunks of four were finished
    assert len(encoder.seen) == 14
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


def test_what_was_encoded_otherwise_is_not_resumed(tmp_path, small_chunks):
    for change in [{"weights": "other"}, {"batch_size": 2}, {"words": [*WORDS[1:], "new"]}]:
        output = tmp_path / next(iter(change))
        with pytest.raises(KeyboardInterrupt):
            encode(
                texts(*WORDS),
                {"text": Stopping("text", 5, KeyboardInterrupt())},
                output,
                batch_size=3,
            )
        encoder = HashEncoder("text", weights=change.get("weights", "w"))
        result = encode(
            texts(*change.get("words", WORDS)),
            {"text": encoder},
            output,
            batch_size=change.get("batch_size", 3),
        )
        assert result.summary.modalities["text"].resumed == 0
        assert len(encoder.seen) == len(WORDS)


def test_a_damaged_chunk_is_encoded_again(tmp_path, small_chunks):
    encode(texts(*WORDS), {"text": HashEncoder("text")}, tmp_path / "whole", batch_size=3)
    with pytest.raises(KeyboardInterrupt):
        encode(
            texts(*WORDS),
            {"text": Stopping("text", 5, KeyboardInterrupt())},
            tmp_path / "store",
            batch_size=3,
        )
    chunk = min((tmp_path / "store.partial").glob("*.safetensors"))
    chunk.write_bytes(chunk.read_bytes()[:-7])
    result = encode(texts(*WORDS), {"text": HashEncoder("text")}, tmp_path / "store", batch_size=3)
    assert result.summary.modalities["text"].resumed == 4
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), "I/O error: No space left on device (os error 28)"],
)
def test_a_full_disk_loses_nothing_and_says_so(tmp_path, small_chunks, error):
    from safetensors import SafetensorError

    error = SafetensorError(error) if isinstance(error, str) else error
    with pytest.raises(SrmmError, match=r"no space left .* run the same command again"):
        encode(
            texts(*WORDS), {"text": Stopping("text", 5, error)}, tmp_path / "store", batch_size=3
        )
    encoder = HashEncoder("text")
    encode(texts(*WORDS), {"text": encoder}, tmp_path / "store", batch_size=3)
    assert len(encoder.seen) == 14


DRIVER = """
    import os, random, shutil, sys
    from pathlib import Path
    import numpy as np, pandas as pd
    import srmm.encoding.chunks
    from tests.encoding.hash_encoder import HashEncoder
    from srmm.encoding.encode import encode
    from srmm.data.table import read_table

    srmm.encoding.chunks.CHUNK_ITEMS = 4
    root, seed = Path(sys.argv[1]), int(sys.argv[2])
    frame = pd.DataFrame({
        "t": [None if k % 7 == 3 else "w" * (k % 5) + f"ord {k % 19}" for k in range(40)],
        "v": [None if k % 3 == 1 else [float(k), 1.0] for k in range(40)],
    })
    table = read_table(frame, text="t", features="v")
    start = table[:15] if sys.argv[3] == "add" else None

    class Counting(HashEncoder):
        def encode(self, prepared):
            sys.audit("test.encode")
            with (root / "log").open("a") as log:
                log.write("x" * len(prepared))
            return super().encode(prepared)

    def run(output, die_at=None):
        '''One run in a process of its own, which dies at its n-th audit event (a file opened,
        renamed, removed; a batch encoded). Returns whether it lived, and the number of events.'''
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            count = 0
            def hook(event, args):
                nonlocal count
                if event in watched and (event != "open" or str(root) in str(args[0])):
                    count += 1
                    if count == die_at:
                        os._exit(9)
            watched = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "test.encode",
                       "os.chmod", "tempfile.mkdtemp", "tempfile.mkstemp", "shutil.rmtree"}
            sys.addaudithook(hook)
            encode(table, {"text": Counting("text"), "features": Counting("features")}, output,
                   batch_size=3, workers=2)
            os.write(write, str(count).encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            events = pipe.read()
        return os.waitpid(child, 0)[1] == 0, int(events or 0)

    def contents(folder):
        return {f.name: f.read_bytes() for f in folder.iterdir()}

    def prepare(output):
        if start is not None:
            encode(start, {"text": HashEncoder("text"), "features": HashEncoder("features")},
                   output, batch_size=3)
        (root / "log").write_text("")

    prepare(root / "whole")
    alive, events = run(root / "whole")
    assert alive and events > 20, events
    whole, all_items = contents(root / "whole"), len((root / "log").read_text())
    random.seed(seed)
    points = range(1, events + 1) if seed < 0 else sorted(random.sample(range(1, events + 1), 24))
    for point in points:
        output = root / f"killed at {point}"
        prepare(output)
        before = contents(output) if output.exists() else None
        alive, _ = run(output, point)
        assert not alive, point
        if output.exists():
            now = contents(output)
            assert now in (before, whole), point
        second = random.randint(1, events)
        run(output, second)  # dies again, or does not get that far
        alive, _ = run(output)
        assert alive and contents(output) == whole, point
        assert not output.with_name(output.name + ".partial").exists(), point
        repeated = len((root / "log").read_text()) - all_items
        if start is None:
            assert repeated <= 2 * 4, (point, second, repeated)
        shutil.rmtree(output)
    print(len(points), "points of", events)
"""


@pytest.mark.workflow
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
@pytest.mark.parametrize("what", ["new", "add"])
def test_killed_anywhere_it_ends_in_the_same_bits(tmp_path, what):
    """Two sudden deaths at random points (between any two file operations or batches), then a run
    to the end: the same store, and nothing encoded twice but the chunks that were under way."""
    driver = tmp_path / "driver.py"
    driver.write_text(textwrap.dedent(DRIVER))
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        [sys.executable, driver, tmp_path / "work", "0", what],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "24 points of" in done.stdout


# Progress and order --------------------------------------------------------------------------


def test_progress_is_told_to_a_callable(small_chunks):
    told = []
    encode(
        texts(*"abcdefghij", "a"),
        {"text": HashEncoder("text")},
        batch_size=3,
        progress=lambda *args: told.append(args),
    )
    done = [n for _, n, _ in told]
    assert done == sorted(done)
    assert told[-1] == ("text", 10, 10)
    assert len(told) == 5  # batches of 3 + 1, 3 + 1, 2


def test_a_progress_bar_goes_to_standard_error(capsys):
    encode(texts("a", "b"), {"text": HashEncoder("text")}, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "encode text" in captured.err


def test_texts_of_similar_length_share_a_batch():
    class Lengths(HashEncoder):
        def __init__(self):
            super().__init__("text")
            self.batches = []

        def encode(self, prepared):
            self.batches.append([len(text) for text in prepared])
            return super().encode(prepared)

    encoder = Lengths()
    items = [f"{'x' * n}{k}" for k, n in enumerate([90, 1, 50, 2, 91, 51])]
    result = encode(texts(*items), {"text": encoder}, batch_size=2)
    assert encoder.batches == [[2, 3], [51, 52], [91, 92]]
    expected = [HashEncoder.embed(item) for item in items]
    np.testing.assert_array_equal(result.embeddings.to_array("text"), expected)


def test_items_are_prepared_while_the_network_runs(tmp_path):
    """`prepare` of later items is called from other threads before `encode` returns."""
    import threading

    class Waiting(HashEncoder):
        def __init__(self):
            super().__init__("text")
            self.ahead, self.threads = threading.Event(), set()

        def prepare(self, item):
            self.threads.add(threading.current_thread().name)
            if item == "item 2":
                self.ahead.set()
            return super().prepare(item)

        def encode(self, prepared):
            assert self.ahead.wait(timeout=20), "nothing was prepared ahead"
            return super().encode(prepared)

    encoder = Waiting()
    encode(texts(*(f"item {k}" for k in range(6))), {"text": encoder}, batch_size=2, workers=1)
    assert threading.current_thread().name not in encoder.threads


def test_the_queue_of_prepared_items_is_bounded():
    class Counting(HashEncoder):
        prepared_now = most = 0

        def prepare(self, item):
            self.prepared_now += 1
            return super().prepare(item)

        def encode(self, prepared):
            self.most = max(self.most, self.prepared_now)
            self.prepared_now -= len(prepared)
            return super().encode(prepared)

    encoder = Counting("text")
    encode(texts(*(f"item {k}" for k in range(200))), {"text": encoder}, batch_size=4, workers=1)
    assert encoder.most <= 4 + 2 * 4 + 1 + 1


# The scikit-learn face -----------------------------------------------------------------------


def test_encode_is_a_transformer(tmp_path):
    draw(tmp_path / "1.png")
    frame = pd.DataFrame({"image": ["1.png", None], "text": ["a", "b"], "other": [1, 2]})
    encoders = {"image": HashEncoder("image"), "text": HashEncoder("text")}
    step = Encode(encoders, folder=tmp_path)
    got = step.fit_transform(frame)
    assert got.modalities == ("image", "text")
    assert got.present.tolist() == [[True, True], [False, True]]
    copy = clone(Encode({"text": "minilm"}, batch_size=7))
    assert copy.get_params()["batch_size"] == 7
    assert copy.get_params()["encoders"] == {"text": "minilm"}
    assert not hasattr(copy, "encoders_")


def test_encode_takes_what_a_table_says():
    table = table_of({"t": ["a", "b"], "v": [[1.0], [2.0]]}, text="t", features="v")
    got = Encode({"text": HashEncoder("text")}).fit(table).transform(table)
    assert got.modalities == ("text",)


@pytest.mark.parametrize(
    ("encoders", "X", "message"),
    [
        ({}, pd.DataFrame({"text": ["a"]}), "at least one encoder"),
        (
            {"photo": "clip:x/y"},
            pd.DataFrame({"photo": ["a"]}),
            "call the column 'image' or 'text'",
        ),
        ({"txt": HashEncoder("text")}, pd.DataFrame({"text": ["a"]}), "Did you mean 'text'"),
        ({"text": HashEncoder("text")}, [["a"]], "a Table, a frame or an Arrow table, .* got list"),
        ("minilm", pd.DataFrame({"text": ["a"]}), "a dict of modality → encoder.*got 'minilm'"),
        ({"text": None}, pd.DataFrame({"text": ["a"]}), "encoder of 'text' must be.*got None"),
        ({"text": ["minilm"]}, pd.DataFrame({"text": ["a"]}), "of type list"),
    ],
)
def test_encode_explains(encoders, X, message):
    with pytest.raises(InputError, match=message):
        Encode(encoders).fit_transform(X)


def test_encode_before_fit_is_an_error():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        Encode({"text": "minilm"}).transform(pd.DataFrame({"text": ["a"]}))


def test_encode_stands_first_in_a_pipeline():
    from srmm import SingleBranchClassifier

    frame = pd.DataFrame({"text": [f"{'cat' if k % 2 else 'dog'}{k}" for k in range(40)]})
    frame.loc[3, "text"] = None
    y = np.array(["dog", "cat"] * 20)
    model = make_pipeline(
        Encode({"text": HashEncoder("text")}),
        SingleBranchClassifier(random_state=0, when_nothing_present="prior"),
    )
    rows = frame["text"].notna().to_numpy()
    assert set(model.fit(frame[rows], y[rows]).predict(frame)) <= {"cat", "dog"}


# The bundled encoders in the job -------------------------------------------------------------


@pytest.mark.workflow
def test_the_defaults_on_drawn_pictures_and_names(tmp_path):
    """The job gives each row what the encoder gives its item alone."""
    colours = ["red", "green", "blue", "orange", "black"]
    files = [draw(tmp_path / f"{colour}.png", colour) for colour in colours]
    table = table_of(
        {
            "picture": [files[0], None, files[2], files[3], files[0], "gone.png"],
            "name": ["red square", "a green one", None, "orange", "red square", "x"],
        },
        tmp_path,
        image="picture",
        text="name",
    )
    result = encode(table, output=tmp_path / "store", batch_size=2)
    image, text = load_encoder("efficientnet-lite0", "image"), load_encoder("minilm", "text")
    got = load_embeddings(tmp_path / "store")
    assert got.embedding_dims == {"image": 1280, "text": 384}
    assert [len(v) for v in got.values.values()] == [3, 4]
    for row in range(6):
        if got.present[row, 0]:
            opened = Image.open(tmp_path / table.items["image"][row]).convert("RGB")
            alone = image.encode([image.prepare(opened)])[0]
            np.testing.assert_allclose(got.to_array("image")[row], alone, atol=1e-4)
        if got.present[row, 1]:
            alone = text.encode([table.items["text"][row]])[0]
            np.testing.assert_allclose(got.to_array("text")[row], alone, atol=1e-5)
    assert got.present.tolist() == [[1, 1], [0, 1], [1, 0], [1, 1], [1, 1], [0, 1]]
    assert result.summary.modalities["image"].encoder == "efficientnet-lite0"
    assert got.encoders["text"]["spec"] == "minilm"


def test_sounds_are_told_apart_and_equal_ones_encoded_once():
    from srmm.encoding.unique_items import ItemKeys

    keys = ItemKeys("audio", Path())
    tone, other = np.ones(16, np.float32), np.zeros(16, np.float32)
    assert keys(  # the same sound, however it is written
        {"array": tone, "sampling_rate": 16000}
    ) == keys((tone.copy(), 16000))
    assert len({keys((tone, 16000)), keys((other, 16000)), keys((tone, 8000))}) == 3


def test_pictures_are_told_apart_by_all_that_is_seen_of_them():
    from srmm.encoding.unique_items import ItemKeys

    keys = ItemKeys("image", Path())
    white = np.full((1200, 1200), 255)
    spot = white.copy()
    spot[600, 600] = 0
    rows = [
        pd.Series(list(pixels)).to_numpy() for pixels in (white, spot)
    ]  # as Parquet's in pandas
    assert keys(rows[0]) != keys(rows[1])
    assert keys(rows[0]) == keys(rows[0].copy())
    pictures = [Image.new("L", (2, 1)) for _ in range(3)]
    pictures[1].getexif()[0x112] = 6
    pictures[2].info["transparency"] = 0
    assert len({*map(keys, pictures)}) == 3
    assert keys(pictures[0]) == keys(Image.new("L", (2, 1)))


class Scaled(HashEncoder):
    """Embeddings of another size."""

    def __init__(self, factor: float, offset: float = 0.0):
        super().__init__("text")
        self.factor, self.offset = np.float32(factor), np.float32(offset)

    def encode(self, prepared):
        return self.offset + self.factor * super().encode(prepared)


def test_a_store_of_half_precision_is_read_as_single(tmp_path, small_chunks):
    table = texts(*"abcdefg")
    half = encode(table, {"text": HashEncoder("text")}, tmp_path / "half", dtype="float16")
    whole = encode(table, {"text": HashEncoder("text")}).embeddings.to_array("text")
    stored = half.embeddings
    assert read_manifest(tmp_path / "half")["modalities"]["text"]["dtype"] == "float16"
    assert stored.values["text"].dtype == np.float16
    expected = whole.astype(np.float16).astype(np.float32)
    (rows, block), = stored[::2].blocks("text")  # fmt: skip
    for found in (stored.items("text")[1][::2], block, stored.to_array("text")[::2]):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected[::2])
    assert rows.tolist() == [0, 1, 2, 3]
    assert half.summary.notes == ()
    in_memory = encode(table, {"text": HashEncoder("text")}, dtype="float16").embeddings
    np.testing.assert_array_equal(in_memory.values["text"], stored.values["text"])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_is_added_to_a_store_is_kept_as_what_is_there(dtype, tmp_path):
    output, other = tmp_path / "store", "float16" if dtype == "float32" else "float32"
    encode(texts("a", "b"), {"text": HashEncoder("text")}, output, dtype=dtype)
    more = encode(texts("a", "b", "c"), {"text": HashEncoder("text")}, output).embeddings
    assert more.values["text"].dtype == dtype
    assert len(more.values["text"]) == 3
    before = contents(output)
    with pytest.raises(InputError, match=rf"of {dtype}, and {other} is asked for"):
        encode(texts(*"abcd"), {"text": HashEncoder("text")}, output, dtype=other)
    assert contents(output) == before
    with pytest.raises(InputError, match="dtype"):
        encode(texts("a"), {"text": HashEncoder("text")}, dtype="float8")


@pytest.mark.parametrize("output", [True, False])
def test_half_precision_refuses_what_it_cannot_hold(output, tmp_path):
    place = tmp_path / "store" if output else None
    with pytest.raises(InputError, match=r"'text' is -?\d.*float16 ends at 65,504"):
        encode(texts(*"abcdefg"), {"text": Scaled(1e5)}, place, dtype="float16")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("factor", "offset", "word"),
    [(1, 1000, "8 of the 8 numbers of 'text' lost"), (1e-7, 0, "lost"), (1000, 3000, None)],
)
def test_half_precision_says_what_it_takes(factor, offset, word):
    made = encode(texts(*"abcdefgh"), {"text": Scaled(factor, offset)}, dtype="float16")
    assert (word is None) == (made.summary.notes == ())
    assert word is None or word in made.summary.notes[0]


def test_what_a_store_holds_already_does_not_thin_out_what_half_precision_takes():
    numbers = 100 + np.random.default_rng(0).standard_normal((900, 1), dtype=np.float32)
    packed = Packed(None, "float16", "x")
    packed.append(numbers[:800].astype(np.float16))
    assert packed.note() is None
    packed.append(numbers[800:])
    assert "1 number of 'x' lost" in packed.note()


def test_columns_that_are_fitted_again_beside_others_are_encoded_again(tmp_path: Path) -> None:
    """Their items have the same keys as before, and other vectors."""

    def encoded(first: int, where: Path) -> Embeddings:
        rows = range(first, first + 20)
        frame = pd.DataFrame({"n": [f"{i} kg" for i in rows], "v": [[i, 1.0] for i in rows]})
        table = read_table(frame, features=["a=n", "b=v"])
        columns = replace(table, split=np.array(["train"] * 20, dtype=object))
        return encode(columns, output=where, prune=True).embeddings

    kept = tmp_path / "kept"
    for first in (0, 0, 15, 15):  # the same table again, and one with more new rows than old ones
        again, fresh = encoded(first, kept), encoded(first, tmp_path / f"fresh{first}")
        for name in ("a", "b"):
            np.testing.assert_array_equal(again.to_array(name), fresh.to_array(name))
