# tests of the proxy room
