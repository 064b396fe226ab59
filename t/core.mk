# tests of the core room
