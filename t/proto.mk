# tests of the proto room
