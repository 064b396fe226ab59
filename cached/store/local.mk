# filled by the room's own change
