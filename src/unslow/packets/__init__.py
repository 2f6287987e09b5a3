"""Packet captures: a file's records (`records`), header columns (`columns`), connections (`talks`), words (`verdict`)."""
