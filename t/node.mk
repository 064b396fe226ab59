# tests of the node room
