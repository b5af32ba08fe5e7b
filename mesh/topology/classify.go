package topology

// RequiresClasses reports whether every field of the domain's events must have a
// masking class before its schema is registered.
func (d Domain) RequiresClasses() bool { return d.Classify == ClassifyRequired }
