package operation

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unsafe"

	"trent/fastpath/wire"
)

// object appends a JSON object member by member; what is absent is left out, as records do. Its zero value begins one in
// a buffer of its own; end closes it.
type object struct {
	b     []byte
	start int
}

// objectIn begins an object at the end of dst.
func objectIn(dst []byte) object { return object{b: dst, start: len(dst)} }

// name begins a member. Names are Trent's own and need no escaping.
func (o *object) name(name string) {
	o.b = append(o.b, ',', '"')
	o.b = append(append(o.b, name...), '"', ':')
}

// end closes the object, "{}" if it has no member, and returns the buffer.
func (o *object) end() []byte {
	if len(o.b) == o.start {
		return append(o.b, "{}"...)
	}
	o.b[o.start] = '{'
	return append(o.b, '}')
}

// end0 is end, but for an object without members nothing is appended: the record then has null.
func (o *object) end0() []byte {
	if len(o.b) == o.start {
		return o.b
	}
	return o.end()
}

func (o *object) bytes(name string, v []byte) {
	if v != nil {
		o.name(name)
		o.b = wire.AppendText(o.b, v)
	}
}

func (o *object) text(name, v string) {
	if v != "" {
		o.name(name)
		o.b = wire.AppendText(o.b, unsafe.Slice(unsafe.StringData(v), len(v)))
	}
}

// empty is text, with an empty one too.
func (o *object) empty(name string, v []byte) {
	o.name(name)
	o.b = wire.AppendText(o.b, v)
}

func (o *object) number(name string, v int32, given bool) {
	if given {
		o.name(name)
		o.b = strconv.AppendInt(o.b, int64(v), 10)
	}
}

func (o *object) boolean(name string, v bool) {
	o.name(name)
	o.b = strconv.AppendBool(o.b, v)
}

// yes is a boolean that is shown where it is true.
func (o *object) yes(name string, v bool) {
	if v {
		o.boolean(name, true)
	}
}

func (o *object) list(name string, list [][]byte) {
	if len(list) == 0 {
		return
	}
	o.name(name)
	for i, v := range list {
		o.b = wire.AppendText(append(o.b, separator(i, '[')), v)
	}
	o.b = append(o.b, ']')
}

// separator is what stands before the i-th item of a list or map.
func separator(i int, first byte) byte {
	if i == 0 {
		return first
	}
	return ','
}

func (o *object) pairs(name string, pairs []wire.Pair) {
	if len(pairs) == 0 {
		return
	}
	o.name(name)
	for i, p := range pairs {
		o.b = wire.AppendText(append(o.b, separator(i, '{')), p.Key)
		o.b = wire.AppendText(append(o.b, ':'), p.Value)
	}
	o.b = append(o.b, '}')
}

func (o *object) tags(name string, tags []wire.Tag) {
	if len(tags) == 0 {
		return
	}
	o.name(name)
	for i, t := range tags {
		one := objectIn(append(o.b, separator(i, '[')))
		one.bytes("tagKey", t.TagKey)
		one.empty("tagValue", t.TagValue)
		o.b = one.end()
	}
	o.b = append(o.b, ']')
}

func (o *object) date(name string, t wire.Timestamp, given bool) {
	if given {
		o.name(name)
		o.b = appendDate(o.b, int64(t))
	}
}

// appendDate appends milliseconds since the epoch as records show dates within parameters: Java's medium form, in UTC.
func appendDate(dst []byte, millis int64) []byte {
	dst = append(dst, '"')
	dst = time.UnixMilli(millis).UTC().AppendFormat(dst, "Jan 2, 2006, 3:04:05 PM")
	return append(dst, '"')
}

// enum is a value of an enumeration of the API; 0 is absent.
func enum[E interface {
	~uint8
	String() string
}](o *object, name string, v E) {
	if v != 0 {
		o.text(name, v.String())
	}
}

// dates are the members of responses that are dates.
var dates = map[string]bool{"CreationDate": true, "DeletionDate": true, "ValidTo": true, "ParametersValidTo": true}

// appendRecorded appends a response as records show it: names begin with a small letter, dates are texts, and the
// members of hide are left out.
func appendRecorded(dst []byte, r wire.Response, hide ...string) []byte {
	d := json.NewDecoder(bytes.NewReader(r.AppendJSON(nil)))
	d.UseNumber()
	var v ordered
	if d.Decode(&v) != nil { // never: the text is our own
		return dst
	}
	return v.append(dst, "", hide)
}

// ordered is a JSON value whose members keep their order.
type ordered struct {
	kind    byte // '{', '[', or 'v' for all others
	names   []string
	items   []ordered
	literal json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *ordered) UnmarshalJSON(text []byte) error {
	v.kind, v.literal = text[0], append(json.RawMessage(nil), text...)
	if v.kind != '{' && v.kind != '[' {
		v.kind = 'v'
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		if v.kind == '{' {
			name, err := d.Token()
			if err != nil {
				return err
			}
			v.names = append(v.names, name.(string))
		}
		var item ordered
		if err := d.Decode(&item); err != nil {
			return err
		}
		v.items = append(v.items, item)
	}
	return nil
}

func (v *ordered) append(dst []byte, name string, hide []string) []byte {
	if v.kind == 'v' {
		if seconds, err := strconv.ParseFloat(string(v.literal), 64); err == nil && dates[name] {
			return appendDate(dst, int64(seconds*1000+0.5))
		}
		return append(dst, v.literal...)
	}
	start := len(dst)
	for i := range v.items {
		if v.kind == '[' {
			dst = v.items[i].append(append(dst, ','), "", hide)
			continue
		}
		if hidden(v.names[i], hide) {
			continue
		}
		dst = append(dst, ',', '"', v.names[i][0]|0x20) // an ASCII letter
		dst = append(append(dst, v.names[i][1:]...), '"', ':')
		dst = v.items[i].append(dst, v.names[i], hide)
	}
	if len(dst) == start {
		return append(dst, v.kind, v.kind+2) // '}' and ']' are two after their partners
	}
	dst[start] = v.kind
	return append(dst, v.kind+2)
}

func hidden(name string, hide []string) bool {
	for _, h := range hide {
		if h == name {
			return true
		}
	}
	return false
}
