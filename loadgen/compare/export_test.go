package compare

// FloorBody is for tests.
var FloorBody = floorBody

// Against is for tests.
var Against = against
