package party

// Warm returns how many bytes of claimed correlations the server keeps in memory.
func (s *Server) Warm() int64 {
	s.warm.mu.Lock()
	defer s.warm.mu.Unlock()
	return s.warm.used
}
