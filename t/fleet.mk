# tests of the fleet room
