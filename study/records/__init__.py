"""What is on disk: a folder a study, a JSON file a run, and side files."""
