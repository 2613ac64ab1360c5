package yamlfile

import "fmt"

// maxDepth is how deep a file may nest. Real ones nest five deep; the YAML library takes time by the square of the depth.
const maxDepth = 64

// CheckDepth refuses a YAML text that nests deeper than any file of the harness does: by brackets, by entries begun in one line, or by
// indentation. Brackets count wherever they stand, as nobody opens so many in a text. Errors: *Error.
func CheckDepth(file string, data []byte) error {
	brackets, begun, indent := 0, 0, 0
	line, column, leading := 1, 0, true
	for i, c := range data {
		column++
		switch {
		case c == '\n':
			line, column, begun, indent, leading = line+1, 0, 0, 0, true
		case c == ' ' && leading:
			indent++
		case (c == '-' || c == '?') && leading && i+1 < len(data) && (data[i+1] == ' ' || data[i+1] == '\t'):
			begun++
		case c == '[' || c == '{':
			brackets, leading = brackets+1, false
		case c == ']' || c == '}':
			brackets, leading = max(brackets-1, 0), false
		case c != '\t':
			leading = false
		}
		if brackets > maxDepth || begun > maxDepth || indent > 8*maxDepth && !leading {
			return &Error{File: file, Line: line, Column: column, Message: fmt.Sprintf("nested deeper than %d levels", maxDepth)}
		}
	}
	return nil
}
