package wire

// Checked returns what the allocation-free check says of a decoded request and how many violations the walk
// reports: they must agree.
func Checked(r Request) (valid bool, reported int) {
	c := r.(interface {
		valid() bool
		explain(*violations)
	})
	var v violations
	c.explain(&v)
	return c.valid(), v.count
}
