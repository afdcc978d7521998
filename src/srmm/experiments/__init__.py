"""The paper's tables and figures as data, one runner, and comparisons on a user's own data."""
