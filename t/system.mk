# tests of the system room
