package audit

import (
	"encoding/hex"
	"io"
	"strconv"
	"time"
)

// writeGaps says in each trail what it lost. Losses of more trails than are counted apart are told in all open files.
func (w *writer) writeGaps() {
	for i := range w.lost.by[:w.lost.n] {
		w.writeGap(w.lost.by[i].trail, &w.lost.by[i])
	}
	if w.lost.another.count > 0 {
		for t := range w.files {
			w.writeGap(t, &w.lost.another)
		}
	}
	w.lost = losses{}
}

func (w *writer) writeGap(to trail, l *loss) {
	f := w.file(to)
	before := len(f.pending)
	f.pending = appendGap(f.begin(), to, l, w.log.o.Now(), w.log.o.Random)
	w.pending += len(f.pending) - before
}

// GapEvent is the eventName of a record that says how many are missing.
const GapEvent = "AuditRecordsLost"

// appendGap appends a record of Trent's own, which no trail of the service has: so many records found no room from the first to
// the last moment, of this trail or, where the trail is not said, of others.
func appendGap(dst []byte, to trail, l *loss, now time.Time, random io.Reader) []byte {
	const layout = time.RFC3339
	var r renderer
	dst = append(append(dst, `{"eventVersion":"1.11","userIdentity":{"accountId":"`...), to.account...)
	dst = append(dst, `","invokedBy":"trent"},"eventTime":"`...)
	dst = r.eventTime(dst, now.Unix())
	dst = append(append(dst, `","eventSource":"audit.trent","eventName":"`+GapEvent+`","awsRegion":"`...), to.region...)
	dst = append(dst, `","sourceIPAddress":"trent","userAgent":"trent","requestParameters":null,"responseElements":null`...)
	var id [16]byte
	if _, err := io.ReadFull(random, id[:]); err == nil {
		var text [36]byte
		formatID(&text, &id)
		dst = appendID(dst, `,"eventID":"`, &text)
	}
	dst = append(append(dst, `,"readOnly":true,"resources":[],"eventType":"TrentAuditGap","managementEvent":true,"recipientAccountId":"`...), to.account...)
	dst = strconv.AppendUint(append(dst, `","serviceEventDetails":{"recordsLost":`...), l.count, 10)
	dst = time.Unix(l.first, 0).UTC().AppendFormat(append(dst, `,"first":"`...), layout)
	dst = time.Unix(l.last, 0).UTC().AppendFormat(append(dst, `","last":"`...), layout)
	if l.trail == (trail{}) {
		dst = append(dst, `","of":"other accounts and Regions`...)
	}
	return append(dst, `","reason":"the disk could not keep up"},"eventCategory":"Management"}`...)
}

// formatID writes a random UUID, version 4.
func formatID(text *[36]byte, id *[16]byte) {
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	formatBinaryID(text, id[:])
}

func formatBinaryID(text *[36]byte, id []byte) {
	from := 0
	for _, part := range [...][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		hex.Encode(text[from:], id[part[0]:part[1]])
		if from += 2*(part[1]-part[0]) + 1; from < len(text) {
			text[from-1] = '-'
		}
	}
}
