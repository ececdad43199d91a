//! A decoder's 4:2:0 planes to the input tensor in one pass: resize, colour conversion, normalisation and layout.
//! Nothing is allocated for a look unless the camera's geometry differs from the last one's.

use domain::{
    Picture, PixelFormat, Rect,
    picture::{ColorMatrix, ColorRange},
};

use crate::{
    DetectError,
    manifest::{Align, Color, Input, Layout, Resize},
    resample::{Axis, MAX_SIDE, Row, SCALE, row},
};

/// Fills input tensors of one model.
pub(crate) struct Preprocessor {
    input: Input,
    plan: Option<Plan>,
    /// A row of Y, U and V at the picture's width.
    source: [Box<Row>; 3],
    /// A row of Y, U and V at the tensor's width.
    scaled: [Vec<f32>; 3],
    /// A row of one channel, where channels are interleaved.
    channel: Vec<f32>,
}

/// What a picture's plan depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Geometry {
    width: u32,
    height: u32,
    range: ColorRange,
    matrix: ColorMatrix,
}

/// Precomputed tables for one geometry.
struct Plan {
    geometry: Geometry,
    content: Content,
    luma: [Axis; 2],
    chroma: [Axis; 2],
    channels: [Channel; 3],
}

/// Where the picture lies in the tensor, in the tensor's pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Content {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Content {
    fn of(input: &Input, width: u32, height: u32) -> Self {
        let (w, h) = (input.width as usize, input.height as usize);
        match input.resize {
            Resize::Stretch => Self { x: 0, y: 0, width: w, height: h },
            Resize::Letterbox => {
                let scale = (w as f64 / f64::from(width)).min(h as f64 / f64::from(height));
                let fit = |side: u32, room: usize| ((f64::from(side) * scale).round() as usize).clamp(1, room);
                let (cw, ch) = (fit(width, w), fit(height, h));
                let (x, y) = match input.align {
                    Align::Center => ((w - cw) / 2, (h - ch) / 2),
                    Align::TopLeft => (0, 0),
                };
                Self { x, y, width: cw, height: ch }
            }
        }
    }

    /// A box in the tensor's pixels as a box relative to the picture, inside the picture.
    pub(crate) fn to_picture(self, [x0, y0, x1, y1]: [f32; 4]) -> Rect {
        let x = |x: f32| (x - self.x as f32) / self.width as f32;
        let y = |y: f32| (y - self.y as f32) / self.height as f32;
        Rect { x0: x(x0), y0: y(y0), x1: x(x1), y1: y(y1) }.clamped()
    }
}

/// One channel of the tensor as a weighted sum of Y, U and V (each times [`SCALE`]), kept within what 0 to 255 gives.
struct Channel {
    y: f32,
    u: f32,
    v: f32,
    offset: f32,
    low: f32,
    high: f32,
    pad: f32,
}

impl Channel {
    /// ITU-R BT.601-7 and BT.709-6: Y' = kr R' + kg G' + kb B', and the two scaled colour differences.
    fn all(geometry: Geometry, input: &Input) -> [Self; 3] {
        let (kr, kb) = match geometry.matrix {
            ColorMatrix::Bt601 => (0.299, 0.114),
            ColorMatrix::Bt709 => (0.2126, 0.0722),
        };
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) = match geometry.range {
            ColorRange::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
            ColorRange::Full => (0.0, 1.0, 1.0),
        };
        let (rv, bu) = (2.0 * (1.0 - kr) * chroma, 2.0 * (1.0 - kb) * chroma);
        let red = [0.0, rv];
        let green = [-bu * kb / kg, -rv * kr / kg];
        let blue = [bu, 0.0];
        let order = match input.color {
            Color::Rgb => [red, green, blue],
            Color::Bgr => [blue, green, red],
        };
        let mut c = 0;
        order.map(|[u, v]: [f64; 2]| {
            let (mean, std) = (f64::from(input.mean[c]), f64::from(input.std[c]));
            c += 1;
            let offset = -black * luma - 128.0 * (u + v);
            let scale = |x: f64| (x / std / f64::from(SCALE)) as f32;
            let normal = |x: f64| ((x - mean) / std) as f32;
            Self {
                y: scale(luma),
                u: scale(u),
                v: scale(v),
                offset: normal(offset),
                low: normal(0.0),
                high: normal(255.0),
                pad: normal(f64::from(input.pad)),
            }
        })
    }

    fn convert(&self, [y, u, v]: [&[f32]; 3], out: &mut [f32]) {
        for (((out, y), u), v) in out.iter_mut().zip(y).zip(u).zip(v) {
            *out = (y * self.y + u * self.u + v * self.v + self.offset).max(self.low).min(self.high);
        }
    }
}

impl Preprocessor {
    pub(crate) fn new(input: &Input) -> Self {
        let width = input.width as usize;
        Self {
            input: input.clone(),
            plan: None,
            source: [row(), row(), row()],
            scaled: std::array::from_fn(|_| vec![0.0; width]),
            channel: vec![0.0; width],
        }
    }

    /// Writes `picture` into `tensor`; gives where it lies there. A tensor must be filled by one preprocessor only: its
    /// padding is written when the geometry changes.
    pub(crate) fn fill(&mut self, picture: &Picture, tensor: &mut [f32]) -> Result<Content, DetectError> {
        check(picture)?;
        let Picture { width, height, range, matrix, .. } = *picture;
        let geometry = Geometry { width, height, range, matrix };
        if self.plan.as_ref().is_none_or(|plan| plan.geometry != geometry) {
            let plan = Plan::new(geometry, &self.input);
            plan.pad(&self.input, tensor);
            self.plan = Some(plan);
        }
        let plan = self.plan.as_ref().expect("made above");
        let content = plan.content;
        let (w, h) = (picture.width as usize, picture.height as usize);
        let (cw, ch_stride) = (w.div_ceil(2), picture.strides[1]);
        let [source_y, source_u, source_v] = &mut self.source;
        let [y, u, v] = self.scaled.each_mut().map(|row| &mut row[..content.width]);
        let plane_size = self.input.width as usize * self.input.height as usize;
        debug_assert!(h > 0 && tensor.len() == 3 * plane_size, "a tensor of the model's input");
        for i in 0..content.height {
            plan.luma[1].blend_rows(i, &picture.planes[0], picture.strides[0], w, &mut source_y[..w]);
            let chroma = &plan.chroma[1];
            match picture.format {
                PixelFormat::I420 => {
                    chroma.blend_rows(i, &picture.planes[1], ch_stride, cw, &mut source_u[..cw]);
                    chroma.blend_rows(i, &picture.planes[2], picture.strides[2], cw, &mut source_v[..cw]);
                }
                PixelFormat::Nv12 => {
                    let out = [&mut source_u[..cw], &mut source_v[..cw]];
                    chroma.blend_pairs(i, &picture.planes[1], ch_stride, cw, out);
                }
            }
            plan.luma[0].resample(source_y, y);
            plan.chroma[0].resample(source_u, u);
            plan.chroma[0].resample(source_v, v);
            let start = (content.y + i) * self.input.width as usize + content.x;
            for (c, channel) in plan.channels.iter().enumerate() {
                match self.input.layout {
                    Layout::Nchw => {
                        channel.convert([y, u, v], &mut tensor[c * plane_size + start..][..content.width]);
                    }
                    Layout::Nhwc => {
                        let row = &mut self.channel[..content.width];
                        channel.convert([y, u, v], row);
                        let out = tensor[3 * start..][..3 * content.width].chunks_exact_mut(3);
                        out.zip(row).for_each(|(pixel, value)| pixel[c] = *value);
                    }
                }
            }
        }
        Ok(content)
    }
}

impl Plan {
    fn new(geometry: Geometry, input: &Input) -> Self {
        let (w, h) = (geometry.width as usize, geometry.height as usize);
        let content = Content::of(input, geometry.width, geometry.height);
        let (step_x, step_y) = (w as f64 / content.width as f64, h as f64 / content.height as f64);
        // Chroma samples lie in the middle of their four pixels, as in JPEG and MPEG-1; the quarter pixel by which
        // MPEG-2 siting differs is below what a detector at a fraction of the resolution can see.
        Self {
            geometry,
            content,
            luma: [Axis::new(content.width, w, step_x), Axis::new(content.height, h, step_y)],
            chroma: [
                Axis::new(content.width, w.div_ceil(2), step_x / 2.0),
                Axis::new(content.height, h.div_ceil(2), step_y / 2.0),
            ],
            channels: Channel::all(geometry, input),
        }
    }

    fn pad(&self, input: &Input, tensor: &mut [f32]) {
        let plane_size = input.width as usize * input.height as usize;
        let pads = self.channels.each_ref().map(|c| c.pad);
        match input.layout {
            Layout::Nchw => tensor.chunks_exact_mut(plane_size).zip(pads).for_each(|(plane, pad)| plane.fill(pad)),
            Layout::Nhwc => tensor.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&pads)),
        }
    }
}

/// Whether the planes hold what the size says.
pub(crate) fn check(picture: &Picture) -> Result<(), DetectError> {
    let (w, h) = (picture.width as usize, picture.height as usize);
    let unusable = |reason: String| Err(DetectError::Picture { reason });
    if !(2..=MAX_SIDE).contains(&w) || !(2..=MAX_SIDE).contains(&h) {
        return unusable(format!("{w}x{h} is not from 2x2 to {MAX_SIDE}x{MAX_SIDE}"));
    }
    let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
    let planes: &[(usize, usize)] = match picture.format {
        PixelFormat::I420 => &[(w, h), (cw, ch), (cw, ch)],
        PixelFormat::Nv12 => &[(w, h), (2 * cw, ch)],
    };
    for (p, &(row, rows)) in planes.iter().enumerate() {
        let (stride, have) = (picture.strides[p], picture.planes[p].len());
        let need = stride.saturating_mul(rows - 1).saturating_add(row);
        if stride < row || have < need {
            return unusable(format!("plane {p} of {w}x{h} holds {have} bytes with stride {stride}, not {need}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Dtype;

    fn input(width: u32, height: u32) -> Input {
        Input {
            name: "x".to_owned(),
            width,
            height,
            resize: Resize::Stretch,
            pad: 114.0,
            align: Align::Center,
            layout: Layout::Nchw,
            color: Color::Rgb,
            mean: [0.0; 3],
            std: [1.0; 3],
            dtype: Dtype::Float32,
        }
    }

    /// A picture with edges, ramps and texture, of odd strides.
    fn scenery(width: u32, height: u32, format: PixelFormat) -> Picture {
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let plane = |w: usize, h: usize, stride: usize, value: &dyn Fn(usize, usize) -> usize| {
            let at = |i: usize| if i % stride < w { value(i % stride, i / stride) as u8 } else { 0xEE };
            (0..stride * (h - 1) + w).map(at).collect::<Vec<u8>>()
        };
        let luma = plane(w, h, w + 5, &|x, y| 40 + (x * 3 + y) % 97 + 60 * usize::from((x / 13 + y / 7) % 2 == 0));
        let u = |x: usize, y: usize| 90 + (x + 2 * y) % 70;
        let v = |x: usize, y: usize| 100 + (3 * x + y) % 60;
        let (planes, strides) = match format {
            PixelFormat::I420 => (
                [luma.into(), plane(cw, ch, cw + 3, &u).into(), plane(cw, ch, cw + 9, &v).into()],
                [w + 5, cw + 3, cw + 9],
            ),
            PixelFormat::Nv12 => {
                let pair = |x: usize, y: usize| if x.is_multiple_of(2) { u(x / 2, y) } else { v(x / 2, y) };
                ([luma.into(), plane(2 * cw, ch, 2 * cw + 4, &pair).into(), Default::default()], [w + 5, 2 * cw + 4, 0])
            }
        };
        let (range, matrix) = (ColorRange::Limited, ColorMatrix::Bt601);
        Picture { width, height, format, range, matrix, planes, strides }
    }

    /// One plane at a fractional place by the definition: the mean over the area of an output sample, or bilinear.
    fn sample(plane: &dyn Fn(usize, usize) -> f64, size: [usize; 2], out: [usize; 2], step: [f64; 2]) -> f64 {
        let weights = |axis: usize| -> Vec<(usize, f64)> {
            let (n, i, step) = (size[axis], out[axis] as f64, step[axis]);
            if step > 2.0 {
                let covered = |j: usize| ((j + 1) as f64).min((i + 1.0) * step) - (j as f64).max(i * step);
                let touched = (i * step) as usize..(((i + 1.0) * step).ceil() as usize).min(n);
                touched.map(|j| (j, covered(j).max(0.0) / step)).collect()
            } else {
                let at = ((i + 0.5) * step - 0.5).clamp(0.0, n as f64 - 1.0);
                let low = at.floor() as usize;
                vec![(low, 1.0 - at.fract()), ((low + 1).min(n - 1), at.fract())]
            }
        };
        let (columns, rows) = (weights(0), weights(1));
        let row = |y: usize| columns.iter().map(|&(x, w)| plane(x, y) * w).sum::<f64>();
        rows.iter().map(|&(y, w)| row(y) * w).sum()
    }

    /// Red, green, blue of BT.601 limited range, clamped.
    fn rgb(y: f64, u: f64, v: f64) -> [f64; 3] {
        let (y, u, v) = ((y - 16.0) * 255.0 / 219.0, (u - 128.0) * 255.0 / 224.0, (v - 128.0) * 255.0 / 224.0);
        let rgb = [y + 1.402 * v, y - 0.344_136 * u - 0.714_136 * v, y + 1.772 * u];
        rgb.map(|c| c.clamp(0.0, 255.0))
    }

    /// Compares with a plain computation in double precision; within 1.5 of 255 levels everywhere.
    #[track_caller]
    fn check(picture: &Picture, width: u32, height: u32) {
        let (w, h) = (picture.width as usize, picture.height as usize);
        let mut tensor = vec![0.0; (3 * width * height) as usize];
        Preprocessor::new(&input(width, height)).fill(picture, &mut tensor).unwrap();
        let step = [w as f64 / f64::from(width), h as f64 / f64::from(height)];
        let chroma = |p: usize, x: usize, y: usize| match picture.format {
            PixelFormat::I420 => picture.planes[1 + p][y * picture.strides[1 + p] + x],
            PixelFormat::Nv12 => picture.planes[1][y * picture.strides[1] + 2 * x + p],
        };
        let (size, half) = ([w, h], [w.div_ceil(2), h.div_ceil(2)]);
        let mut worst = 0.0_f64;
        // Every pixel of some rows: the reference is slow.
        for row in (0..height as usize).step_by(7).chain([height as usize - 1]) {
            for column in 0..width as usize {
                let luma = |x: usize, y: usize| f64::from(picture.planes[0][y * picture.strides[0] + x]);
                let y = sample(&luma, size, [column, row], step);
                let half_step = step.map(|s| s / 2.0);
                let [u, v] = [0, 1].map(|p| sample(&|x, y| f64::from(chroma(p, x, y)), half, [column, row], half_step));
                for (c, expected) in rgb(y, u, v).into_iter().enumerate() {
                    let got = tensor[c * (width * height) as usize + row * width as usize + column];
                    worst = worst.max((f64::from(got) - expected).abs());
                }
            }
        }
        assert!(worst < 1.5, "{worst} levels off: {picture:?} to {width}x{height}");
    }

    #[test]
    fn resizing_and_colours_match_the_definition() {
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            check(&scenery(704, 576, format), 416, 416); // CIF times four, bilinear
            check(&scenery(1920, 1080, format), 416, 416); // area in both axes
            check(&scenery(960, 540, format), 416, 320); // area in one axis only
            check(&scenery(352, 288, format), 416, 416); // enlarged
            check(&scenery(641, 359, format), 320, 320); // odd sizes
            check(&scenery(3840, 2160, format), 320, 320);
            check(&scenery(416, 416, format), 416, 416); // as it is
            check(&scenery(2, 2, format), 32, 32);
            check(&scenery(3, 8000, format), 32, 32);
        }
    }

    #[track_caller]
    fn check_pixel(input: &Input, picture: &Picture, at: [usize; 2], expected: [f32; 3]) {
        let (w, h) = (input.width as usize, input.height as usize);
        let mut tensor = vec![f32::NAN; 3 * w * h];
        Preprocessor::new(input).fill(picture, &mut tensor).unwrap();
        assert!(tensor.iter().all(|v| v.is_finite()), "every element is written");
        let pixel = at[1] * w + at[0];
        let got = [0, 1, 2].map(|c| match input.layout {
            Layout::Nchw => tensor[c * w * h + pixel],
            Layout::Nhwc => tensor[3 * pixel + c],
        });
        let near = got.iter().zip(expected).zip(input.std).all(|((a, b), std)| (a - b).abs() < 1.5 / std);
        assert!(near, "{got:?} is not {expected:?}");
    }

    #[test]
    fn colours_follow_range_matrix_order_and_normalisation() {
        // Pure red as each standard writes it.
        let red601 = Picture::uniform(64, 48, [81, 90, 240]);
        let red709 = Picture { matrix: ColorMatrix::Bt709, ..Picture::uniform(64, 48, [63, 102, 240]) };
        let red_full = Picture { range: ColorRange::Full, ..Picture::uniform(64, 48, [76, 85, 255]) };
        for picture in [&red601, &red709, &red_full] {
            check_pixel(&input(32, 32), picture, [5, 9], [254.0, 0.0, 0.0]);
        }
        let bgr = Input { color: Color::Bgr, mean: [100.0, 100.0, 100.0], std: [50.0, 50.0, 2.0], ..input(32, 32) };
        check_pixel(&bgr, &red601, [5, 9], [-2.0, -2.0, 77.0]);
        check_pixel(&Input { layout: Layout::Nhwc, ..bgr }, &red601, [31, 31], [-2.0, -2.0, 77.0]);
        // Beyond black and white is still black and white.
        check_pixel(&input(32, 32), &Picture::uniform(64, 48, [255, 128, 128]), [0, 0], [255.0; 3]);
        check_pixel(&input(32, 32), &Picture::uniform(64, 48, [0, 128, 128]), [0, 0], [0.0; 3]);
    }

    #[test]
    fn letterbox_keeps_the_shape_and_pads_the_rest() {
        let white = Picture::uniform(640, 320, [235, 128, 128]);
        for layout in [Layout::Nchw, Layout::Nhwc] {
            let centred = Input { resize: Resize::Letterbox, layout, ..input(64, 64) };
            for (y, level) in [(0, 114.0), (15, 114.0), (16, 255.0), (47, 255.0), (48, 114.0), (63, 114.0)] {
                check_pixel(&centred, &white, [63, y], [level; 3]);
            }
            let at_top = Input { align: Align::TopLeft, ..centred };
            for (y, level) in [(0, 255.0), (31, 255.0), (32, 114.0), (63, 114.0)] {
                check_pixel(&at_top, &white, [0, y], [level; 3]);
            }
        }
    }

    #[test]
    fn padding_is_written_anew_when_the_geometry_changes() {
        let letterbox = Input { resize: Resize::Letterbox, ..input(64, 64) };
        let mut preprocessor = Preprocessor::new(&letterbox);
        let mut tensor = vec![0.0; 3 * 64 * 64];
        let wide = Picture::uniform(640, 320, [235, 128, 128]);
        let tall = Picture::uniform(320, 640, [235, 128, 128]);
        let mut fresh = vec![0.0; 3 * 64 * 64];
        Preprocessor::new(&letterbox).fill(&wide, &mut fresh).unwrap();
        for picture in [&wide, &tall, &wide] {
            preprocessor.fill(picture, &mut tensor).unwrap();
        }
        assert_eq!(tensor, fresh);
    }

    #[test]
    fn boxes_come_back_relative_to_the_picture() {
        let letterbox = Input { resize: Resize::Letterbox, ..input(64, 64) };
        let content = Content::of(&letterbox, 640, 320);
        assert_eq!(content.to_picture([16.0, 24.0, 80.0, 40.0]), Rect { x0: 0.25, y0: 0.25, x1: 1.0, y1: 0.75 });
        let content = Content::of(&input(64, 32), 640, 320);
        assert_eq!(content.to_picture([16.0, 8.0, 32.0, 16.0]), Rect { x0: 0.25, y0: 0.25, x1: 0.5, y1: 0.5 });
    }
}
