package engine

// ConnectFault names a connection that could not be made, for tests.
var ConnectFault = connectFault
