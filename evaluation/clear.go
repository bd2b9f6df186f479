package evaluation

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"pascaline/model"
)

// evaluatorMemory bounds the tensors of the evaluators that work side by side.
const evaluatorMemory = 1 << 30

// Clear evaluates all images in the clear: by graph in float64, and by the
// model's fixed-point arithmetic. Without a graph, the model's own is taken,
// whose weights are rounded (see [model.Model.Graph]). Progress, unless nil, is
// called with the number of images done.
func (e *Evaluation) Clear(ctx context.Context, graph *model.Graph, progress func(done int)) error {
	p := e.model.Plan
	how := "in float64, with the model's weights, rounded as they are"
	if graph == nil {
		var err error
		if graph, err = e.model.Graph(); err != nil {
			return err
		}
	} else {
		in, out := graph.Nodes[0].Shape, graph.Nodes[len(graph.Nodes)-1].Shape.Len()
		if in != p.Nodes[0].Shape || out != len(e.Classes) {
			return fmt.Errorf("the graph %s takes %v and has %d outputs, and model %s takes %v and has %d: pass the network that the model was compiled from",
				graph.Name, in, out, p.Name, p.Nodes[0].Shape, len(e.Classes))
		}
		how = fmt.Sprintf("in float64, of the network %s", graph.Name)
	}
	e.float = make([][]float64, e.set.Len())
	if err := e.evaluate(ctx, graph, progress); err != nil {
		return err
	}
	e.Float = e.outcome(how, e.float)
	e.compare()
	return nil
}

// FixedPoint evaluates all images by the model's fixed-point arithmetic alone.
func (e *Evaluation) FixedPoint(ctx context.Context, progress func(done int)) error {
	return e.evaluate(ctx, nil, progress)
}

// evaluate sets fixed and Fixed, and float if there is a graph, side by side on all
// processors.
func (e *Evaluation) evaluate(ctx context.Context, graph *model.Graph, progress func(done int)) error {
	e.fixed = make([][]float64, e.set.Len())
	bytes := 0
	for _, n := range e.model.Plan.Nodes {
		bytes += 16 * n.Shape.Len()
	}
	workers := min(e.set.Len(), runtime.GOMAXPROCS(0), max(1, evaluatorMemory/bytes))
	var next atomic.Int64
	var mu sync.Mutex
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	for range workers {
		group.Go(func() error {
			w, err := newWorker(e, graph)
			if err != nil {
				return err
			}
			for {
				i := int(next.Add(1)) - 1
				if i >= e.set.Len() {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := w.evaluate(i); err != nil {
					return fmt.Errorf("evaluating %s: %w", e.name(i), err)
				}
				mu.Lock()
				if done++; progress != nil {
					progress(done)
				}
				mu.Unlock()
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	e.Fixed = e.outcome("in the model's integers, in the clear", e.fixed)
	return nil
}

// A worker evaluates one image at a time.
type worker struct {
	*Evaluation
	byFloat *model.FloatEvaluator // or nil
	byFixed *model.FixedEvaluator
	input   []float64
}

func newWorker(e *Evaluation, graph *model.Graph) (w *worker, err error) {
	w = &worker{Evaluation: e, input: make([]float64, e.set.Values())}
	if graph != nil {
		if w.byFloat, err = model.NewFloatEvaluator(graph); err != nil {
			return nil, err
		}
	}
	w.byFixed, err = model.NewFixedEvaluator(e.model)
	return w, err
}

func (w *worker) evaluate(i int) error {
	im := w.set.Image(i)
	if w.byFloat != nil {
		if err := w.evaluateFloat(i, im.Pixels); err != nil {
			return err
		}
	}
	x, err := w.model.Plan.EncodeInput(im.Pixels)
	if err != nil {
		return err
	}
	y, err := w.byFixed.Eval(x)
	if err != nil {
		return err
	}
	w.fixed[i] = w.model.Plan.DecodeOutput(y)
	return nil
}

func (w *worker) evaluateFloat(i int, pixels []float32) error {
	for k, v := range pixels {
		w.input[k] = float64(v)
	}
	values, err := w.byFloat.Eval(w.input)
	if err != nil {
		return err
	}
	w.float[i] = append([]float64(nil), values[len(values)-1]...)
	for k, v := range w.float[i] {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("output %d is %v in float64: its activations grow beyond all bounds; train the network on images like this one, with a penalty on large activations", k, v)
		}
	}
	return nil
}
