package results

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Heat is how latency spread over time: for each stretch of Width the good answers of the hits due in it, by latency. It is for
// looking at; figures come from the histograms.
type Heat struct {
	Width time.Duration `json:"width_ns"`
	// Edges are the upper ends of the rows, ascending; a row begins where the one before ends, the first at 0.
	Edges []Latency `json:"edges_ns"`
	// Columns are the stretches in order, each with a count for every row; nil where nothing was answered.
	Columns [][]uint64 `json:"columns"`
}

// Bounds of a map: as many columns and rows as can be told apart on a page.
const (
	heatColumns   = 120
	heatPerDecade = 8
	heatLevels    = 6
)

// LatencyCount is Count hits of one latency.
type LatencyCount struct {
	Value time.Duration
	Count uint64
}

// NewHeat makes a map of at most 120 columns of blocks of equal width, given in order with their latencies, those without any
// included. Nil for blocks without an answer.
func NewHeat(width time.Duration, blocks [][]LatencyCount) *Heat {
	low, high := time.Duration(math.MaxInt64), time.Duration(0)
	for _, block := range blocks {
		for _, bin := range block {
			low, high = min(low, bin.Value), max(high, bin.Value)
		}
	}
	if high == 0 || width <= 0 {
		return nil
	}
	h := &Heat{Width: width}
	together := (len(blocks) + heatColumns - 1) / heatColumns
	h.Width *= time.Duration(together)
	step := math.Pow(10, 1.0/heatPerDecade)
	for edge := math.Pow(step, math.Ceil(math.Log(float64(low))/math.Log(step))); ; edge *= step {
		h.Edges = append(h.Edges, Latency(math.Ceil(edge)))
		if h.Edges[len(h.Edges)-1] >= Latency(high) {
			break
		}
	}
	for part := range slices.Chunk(blocks, together) {
		var column []uint64
		for _, block := range part {
			for _, bin := range block {
				if column == nil {
					column = make([]uint64, len(h.Edges))
				}
				row, _ := slices.BinarySearch(h.Edges, Latency(bin.Value))
				column[min(row, len(column)-1)] += bin.Count
			}
		}
		h.Columns = append(h.Columns, column)
	}
	return h
}

// valid tells whether the map can be drawn.
func (h *Heat) valid() bool {
	if h.Width <= 0 || len(h.Edges) == 0 || !slices.IsSorted(h.Edges) || h.Edges[0] <= 0 {
		return false
	}
	for _, column := range h.Columns {
		if column != nil && len(column) != len(h.Edges) {
			return false
		}
	}
	return true
}

// heatFigure draws the map: time to the right, latency upwards, darker where more of the stretch's answers are.
func heatFigure(r *Record) (figure, bool) {
	h := r.Heat
	if h == nil || len(h.Columns) < 2 || !h.valid() {
		return figure{}, false
	}
	fig := figure{
		Title: "Heat map of latency",
		Caption: fmt.Sprintf("Each column is %s of hits due; darker means a larger share of its answers, on a logarithmic scale from a single answer in a thousand. "+
			"Bands that part, or spots far above, are what percentiles hide.", formatDuration(h.Width)),
	}
	lowest := float64(h.Edges[0]) / math.Pow(10, 1.0/heatPerDecade)
	fig.SVG = draw(func(c canvas) string {
		p := newPlot(c, timeAxis(h.Width.Seconds()*float64(len(h.Columns)), c), exactAxis(lowest, float64(h.Edges[len(h.Edges)-1])), fig.Title)
		p.cells(h, lowest)
		return p.finish()
	})
	return fig, true
}

// exactAxis is a latency axis that ends where its values do.
func exactAxis(low, high float64) axis {
	a := latencyAxis(low, high)
	a.low, a.high = low, high
	a.ticks = slices.DeleteFunc(a.ticks, func(t tick) bool { return t.value < low*(1-1e-9) || t.value > high*(1+1e-9) })
	return a
}

// cells draws all cells of a level as one path, which keeps a page of thousands of cells small.
func (p *plot) cells(h *Heat, lowest float64) {
	var levels [heatLevels]strings.Builder
	for i, column := range h.Columns {
		total := uint64(0)
		for _, n := range column {
			total += n
		}
		left, right := p.px(h.Width.Seconds()*float64(i)), p.px(h.Width.Seconds()*float64(i+1))
		below := lowest
		for row, n := range column {
			above := float64(h.Edges[row])
			if n > 0 {
				bottom, top := p.py(below), p.py(above)
				fmt.Fprintf(&levels[heatLevel(n, total)], "M%.1f %.1fh%.1fv%.1fh-%.1fz", left, top, right-left, bottom-top, right-left)
			}
			below = above
		}
	}
	for level := range levels {
		if levels[level].Len() > 0 {
			fmt.Fprintf(&p.body, `<path class="heat h%d" d="%s"/>`, level, levels[level].String())
		}
	}
}

// heatLevel is 0 for a thousandth of the column and less, the highest for all of it.
func heatLevel(n, total uint64) int {
	share := float64(n) / float64(total)
	return min(max(int((math.Log10(share)+3)/3*heatLevels), 0), heatLevels-1)
}
