package training

import "pascaline/model"

// calibrationImages is how many images of the training split the scales are chosen by.
const calibrationImages = 1000

// Compile compiles the network as trained so far to a model of the given name, with
// scales that fit the images it was trained on, and their classes as its labels.
func (r *Run) Compile(name string) (*model.Model, error) {
	g, err := r.Graph()
	if err != nil {
		return nil, err
	}
	n := min(calibrationImages, r.train.Len())
	calibration := make([][]float32, n)
	for i := range calibration {
		calibration[i] = r.train.Image(i).Pixels
	}
	m, _, err := model.Compile(g, calibration, model.Options{Name: name, Labels: r.train.Classes})
	return m, err
}
