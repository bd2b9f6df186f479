package zoo

// leNet is like LeNet-5 (LeCun et al., 1998), wider, with the pools before the
// activations, so that there are fewer.
func leNet(t *topology) {
	n := t.activation(t.pool(t.conv(0, 16, 5, 1), 2, 2, 0))
	n = t.activation(t.pool(t.conv(n, 32, 5, 1), 2, 2, 0))
	n = t.activation(t.dense(n, 128))
	t.dense(n, t.classes)
}

// miniONN is the network of MiniONN (Liu et al., CCS 2017, figure 13) with batch
// norm, for CIFAR-10.
func miniONN(t *topology) {
	n := 0
	for range 2 {
		n = t.activation(t.conv(n, 64, 3, 1))
		n = t.activation(t.conv(n, 64, 3, 1))
		n = t.pool(n, 2, 2, 0)
	}
	n = t.activation(t.conv(n, 64, 3, 1))
	n = t.activation(t.conv(n, 64, 1, 1))
	n = t.activation(t.conv(n, 16, 1, 1))
	t.dense(n, t.classes)
}

// vgg16 is VGG-16 (Simonyan and Zisserman, 2014) for CIFAR-10: pools before
// activations, so that there are fewer, and a head of 512.
func vgg16(t *topology) {
	n := 0
	for _, stage := range [][]int{{64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}} {
		for i, channels := range stage {
			n = t.conv(n, channels, 3, 1)
			if i == len(stage)-1 {
				n = t.pool(n, 2, 2, 0)
			}
			n = t.activation(n)
		}
	}
	n = t.activation(t.dense(n, 512))
	n = t.activation(t.dense(n, 512))
	t.dense(n, t.classes)
}

// resNet18 is ResNet-18 (He et al., 2015, table 1) for CIFAR-10: a stem of 3×3
// and no pool after it.
func resNet18(t *topology) {
	n := t.activation(t.conv(0, 64, 3, 1))
	for stage, channels := range []int{64, 128, 256, 512} {
		for block := range 2 {
			n = basicBlock(t, n, channels, stride(stage, block))
		}
	}
	t.dense(t.globalPool(n), t.classes)
}

// thinResNet is ResNet-(6·blocks+2) for CIFAR (He et al., 2015, section 4.2):
// three stages of 16, 32 and 64 channels. Where a stage begins, the shortcut is a
// projection. The stem may halve the image.
func thinResNet(t *topology, blocks, stem int) {
	n := t.activation(t.conv(0, 16, 3, stem))
	for stage, channels := range []int{16, 32, 64} {
		for block := range blocks {
			n = basicBlock(t, n, channels, stride(stage, block))
		}
	}
	t.dense(t.globalPool(n), t.classes)
}

// resNet50 is ResNet-50 (He et al., 2015, table 1) for ImageNet, with the strides
// in the 3×3 convolutions and an average pool after the stem.
func resNet50(t *topology) {
	n := t.pool(t.activation(t.conv(0, 64, 7, 2)), 3, 2, 1)
	for stage, blocks := range []int{3, 4, 6, 3} {
		for block := range blocks {
			n = bottleneck(t, n, 64<<stage, stride(stage, block))
		}
	}
	t.dense(t.globalPool(n), t.classes)
}

// stride returns that of a block: the first of every stage but the first halves
// the image.
func stride(stage, block int) int {
	if stage > 0 && block == 0 {
		return 2
	}
	return 1
}

// basicBlock adds two convolutions and a shortcut around them.
func basicBlock(t *topology, in, channels, stride int) int {
	n := t.activation(t.conv(in, channels, 3, stride))
	s := shortcut(t, in, channels, stride)
	return t.activation(t.sum(t.conv(n, channels, 3, 1), s))
}

// bottleneck adds three convolutions, the last four times as wide, and a shortcut
// around them.
func bottleneck(t *topology, in, channels, stride int) int {
	n := t.activation(t.conv(in, channels, 1, 1))
	n = t.activation(t.conv(n, channels, 3, stride))
	s := shortcut(t, in, 4*channels, stride)
	return t.activation(t.sum(t.conv(n, 4*channels, 1, 1), s))
}

// shortcut is the input itself, or a projection where the shape changes.
func shortcut(t *topology, in, channels, stride int) int {
	if t.g.Nodes[in].Shape.C == channels && stride == 1 {
		return in
	}
	return t.conv(in, channels, 1, stride)
}
