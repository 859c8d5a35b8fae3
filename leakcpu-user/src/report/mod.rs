//! Writes the model to a `Write`: text, JSON, flame graphs, collapsed stacks. Decides nothing.
