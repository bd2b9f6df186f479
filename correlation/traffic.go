package correlation

// Traffic is what passes between the two parties.
type Traffic struct {
	Up, Down Flow // from party 1 to party 0, and back
}

// Flow is what passes in one direction: messages, and the bytes in them.
type Flow struct {
	Messages int
	Bytes    int64
}

// Send counts one message.
func (f *Flow) Send(bytes int) {
	f.Messages++
	f.Bytes += int64(bytes)
}

// Add counts another's messages so many times.
func (f *Flow) Add(g Flow, times int) {
	f.Messages += times * g.Messages
	f.Bytes += int64(times) * g.Bytes
}

// Add counts another's so many times.
func (t *Traffic) Add(u Traffic, times int) {
	t.Up.Add(u.Up, times)
	t.Down.Add(u.Down, times)
}
