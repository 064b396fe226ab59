# tests of the control room
