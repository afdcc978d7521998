"""From arrays you already have to a saved model: for embeddings that were made elsewhere.

Run it anywhere: python 02_arrays.py. It writes a model to the folder "model".
"""

import numpy as np

import srmm

# 1. One array per modality, a row per instance. Here: three classes, seen and heard.

random = np.random.default_rng(0)
y = random.integers(3, size=300)
image = y[:, None] + random.normal(size=(300, 32))
audio = y[:, None] + random.normal(size=(300, 16))

# 2. A row of NaN is an absent item: a hundred instances were never recorded.

audio[:100] = np.nan
X = srmm.Embeddings.from_arrays({"image": image, "audio": audio}, labels=y)
print(X)

# 3. Training, on instances with holes.

train, test = X[:200], X[200:]
model = srmm.SingleBranchClassifier(random_state=0).fit(train)
print("Accuracy:", model.score(test))

# 4. Predicting from what there is: here from sound alone.

print("From sound alone:", model.predict({"audio": audio[200:205]}))

# 5. Saving, without pickle, and loading it again.

model.save_pretrained("model", overwrite=True)
again = srmm.from_pretrained("model")
assert (again.predict(test) == model.predict(test)).all()
