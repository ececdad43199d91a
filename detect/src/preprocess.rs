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
fn check(picture: &Picture) -> Result<(), DetectError> {
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
