"""Models on this disk, and how they are downloaded."""
