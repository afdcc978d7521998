"""From a table with holes to predictions: read it, encode it, train, evaluate.

Run it anywhere: python 01_table.py. It writes a small shop's table and pictures to the folder
"shop", and a report beside it. The encoders come inside packages: nothing is downloaded.
"""

import csv
import random
from pathlib import Path

from PIL import Image

import srmm

# 1. A table: one row per product. An empty cell, or a picture that is not there, is absent.

COLOURS = {"shoe": "brown", "shirt": "skyblue", "bag": "purple"}
WORDS = {"shoe": "leather running shoe", "shirt": "cotton summer shirt", "bag": "canvas travel bag"}


def write_shop(folder: Path, n: int = 120) -> Path:
    """Draw n products; one in four lacks its picture, one in four its title."""
    draw = random.Random(0)
    folder.mkdir(exist_ok=True)
    with (folder / "products.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", "title", "category"])
        for number in range(n):
            category = draw.choice(list(COLOURS))
            photo, title = f"{number}.png", f"{WORDS[category]}, size {draw.randint(30, 46)}"
            if number % 4 == 0:
                photo = ""
            elif number % 4 == 1:
                title = ""
            if photo:
                side = draw.randint(20, 40)
                Image.new("RGB", (side, side), COLOURS[category]).save(folder / photo)
            writer.writerow([photo, title, category])
    return folder / "products.csv"


path = write_shop(Path("shop"))
table = srmm.read_table(path, image="photo", text="title", label="category")
print(table)

# 2. Embeddings: frozen encoders turn what is present into vectors. What is absent stays absent.

embeddings = srmm.encode(table).embeddings
print(embeddings)

# 3. A classifier. It takes whatever is present; nothing is filled in.

train, test = embeddings[:90], embeddings[90:]
model = srmm.SingleBranchClassifier(random_state=0).fit(train)
print("Accuracy on 30 products it has not seen:", model.score(test))

# 4. How it does when more is missing: a page to open in a browser, and the same as a data frame.

report = srmm.evaluate(model, test)
report.to_html("report.html")
print(report.to_frame())
