"""Mini-Broden: scenes, things and textures drawn with exact pixel labels."""
