package nativeapi

// WithHeartbeat is for tests that cannot wait.
var WithHeartbeat = withHeartbeat
