package results_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"trent/results"
)

func TestHeat(t *testing.T) {
	t.Parallel()
	var blocks [][]results.LatencyCount
	total := uint64(0)
	for i := range 250 {
		if i == 10 || i == 11 || i == 12 {
			blocks = append(blocks, nil)
			continue
		}
		blocks = append(blocks, []results.LatencyCount{{Value: time.Millisecond, Count: 90}, {Value: 1250 * time.Microsecond, Count: 9}, {Value: time.Second, Count: 1}})
		total += 100
	}
	h := results.NewHeat(time.Second, blocks)
	if h.Width != 3*time.Second || len(h.Columns) != 84 || !slices.IsSorted(h.Edges) {
		t.Fatalf("width %v, %d columns, edges %v", h.Width, len(h.Columns), h.Edges)
	}
	sum, top := uint64(0), uint64(0)
	for _, column := range h.Columns {
		for _, n := range column {
			sum += n
		}
		top += column[len(column)-1]
	}
	if sum != total || top != 247 || time.Duration(h.Edges[len(h.Edges)-1]) < time.Second {
		t.Errorf("%d answers in the map, %d in its highest row; want %d and 247", sum, top, total)
	}
	if results.NewHeat(time.Second, make([][]results.LatencyCount, 5)) != nil {
		t.Error("a map of nothing")
	}
	r := attackRecord(t)
	r.Heat = h
	var page, file bytes.Buffer
	if err := results.RenderHTML(&page, r); err != nil || strings.Count(page.String(), `class="heat h`) < 4 {
		t.Errorf("rendering: %v", err)
	}
	if err := results.Write(&file, r); err != nil {
		t.Fatal(err)
	}
	r.Heat.Columns[3] = []uint64{1} // of another height, as a spoilt file may have
	page.Reset()
	if err := results.RenderHTML(&page, r); err != nil || strings.Contains(page.String(), "Heat map") {
		t.Errorf("a spoilt map was drawn (%v)", err)
	}
}
