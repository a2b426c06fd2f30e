"""Callbacks that watch a training: progress, saved steps, a stop on request. Nothing here changes a weight."""
