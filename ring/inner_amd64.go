package ring

// inners are the inner kernels of this processor, the fastest first.
var inners = []*inner{portable}
