package measure

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// WriteHdrLog writes the latencies of good answers as an HdrHistogram interval log (format 1.3, V2 compressed, nanoseconds), one
// histogram for each entry and block, tagged with the entry's name. Tools of the HdrHistogram family read it. Intervals
// count by due time from start. Commas and spaces in a name become underscores.
func (s *Summary) WriteHdrLog(w io.Writer, start time.Time, tool string) error {
	buffered := bufio.NewWriter(w)
	log := hdr.NewHistogramLogWriter(buffered)
	base := start.UnixMilli()
	log.SetBaseTime(base)
	for _, step := range []func() error{
		func() error { return log.OutputComment("[Logged with " + tool + "]") },
		log.OutputLogFormatVersion,
		func() error { return log.OutputStartTime(base) },
		log.OutputLegend,
		func() error { return s.writeIntervals(log, base) },
		buffered.Flush,
	} {
		if err := step(); err != nil {
			return fmt.Errorf("writing the histogram log: %w", err)
		}
	}
	return nil
}

var tagReplacer = strings.NewReplacer(",", "_", " ", "_", "\n", "_", "\r", "_")

func (s *Summary) writeIntervals(log *hdr.HistogramLogWriter, base int64) error {
	next := make([]int, len(s.Entries))
	h := hdr.New(int64(Lowest), int64(Highest), SuccessDigits)
	for {
		at := time.Duration(-1) // the earliest block not written
		for i := range s.Entries {
			if blocks := s.Entries[i].Blocks; next[i] < len(blocks) && (at < 0 || blocks[next[i]].Start < at) {
				at = blocks[next[i]].Start
			}
		}
		if at < 0 {
			return nil
		}
		for i := range s.Entries {
			blocks := s.Entries[i].Blocks
			if next[i] == len(blocks) || blocks[next[i]].Start != at {
				continue
			}
			b := &blocks[next[i]]
			next[i]++
			if len(b.Latencies) == 0 {
				continue
			}
			h.Reset()
			h.SetTag(tagReplacer.Replace(s.Entries[i].Name))
			h.SetStartTimeMs(base + at.Milliseconds())
			h.SetEndTimeMs(base + (at + s.Width).Milliseconds())
			for _, bin := range b.Latencies {
				if err := h.RecordValues(int64(bin.Value), int64(bin.Count)); err != nil {
					return err
				}
			}
			if err := log.OutputIntervalHistogram(h); err != nil {
				return err
			}
		}
	}
}
