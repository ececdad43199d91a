//! The one room of ONNX Runtime: loading the library, opening a session, running it.

use std::{
    borrow::Cow,
    path::PathBuf,
    sync::{Mutex, Once, PoisonError},
};

use ort::{
    environment::Environment,
    ep::{self, ExecutionProviderDispatch},
    session::{
        Session as OrtSession, SessionInputValue,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::{DynValue, Tensor as OrtTensor, TensorElementType, ValueType},
};

use crate::{
    DetectConfig, DetectError, Manifest, Provider, RuntimeInfo,
    config::{Fallback, Precision},
};

/// The process's environment: a second one cannot be made, so this one is never dropped.
static RUNTIME: Mutex<Option<(Environment, RuntimeInfo)>> = Mutex::new(None);

/// Loads the library that `find` names, unless one is loaded.
pub(crate) fn load_runtime(find: impl FnOnce() -> Result<PathBuf, DetectError>) -> Result<RuntimeInfo, DetectError> {
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, info)) = &*runtime {
        return Ok(info.clone());
    }
    let path = find()?;
    let unusable = |reason: String| DetectError::RuntimeUnusable { path: path.clone(), reason };
    let path_for_loader = path.canonicalize().unwrap_or_else(|_| path.clone());
    let environment = ort::init_from(&path_for_loader)
        .map_err(|error| unusable(error.to_string()))?
        .with_name("gridwatch")
        .with_telemetry(false)
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    let info = RuntimeInfo { version: version(ort::info(), &path_for_loader), path };
    tracing::info!(path = %info.path.display(), version = info.version, "ONNX Runtime loaded");
    *runtime = Some((environment, info.clone()));
    Ok(info)
}

/// The version: release builds name their branch after it, and all are installed under it.
fn version(build_info: &str, path: &std::path::Path) -> String {
    let branch = build_info.split("git-branch=").nth(1).and_then(|rest| rest.split(',').next());
    let from_branch = branch.and_then(|b| b.trim().strip_prefix("rel-")).map(str::to_owned);
    let file = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let from_file = || file.split(".so.").nth(1).map(str::to_owned);
    from_branch.or_else(from_file).unwrap_or_else(|| "unknown".to_owned())
}

/// A tensor of an output, by element type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tensor<'a> {
    Floats { shape: &'a [i64], data: &'a [f32] },
    Longs { shape: &'a [i64], data: &'a [i64] },
}

/// The outputs of one run, by name.
pub(crate) struct Outputs<'a>(pub(crate) Vec<(&'a str, Tensor<'a>)>);

/// An input or output as the weights declare it; -1 is a dimension that is free.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) dtype: String,
    pub(crate) shape: Vec<i64>,
}

/// One session with its input tensors, for one thread.
pub(crate) struct Session {
    model: String,
    session: OrtSession,
    picture: (String, OrtTensor<f32>),
    sizes: Option<(String, OrtTensor<i64>)>,
}

/// Opened weights whose ports are still to be compared with the manifest.
pub(crate) struct Opened {
    model: String,
    session: OrtSession,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
}

/// Opens the model's weights for `config`'s provider, or its fallback.
pub(crate) fn open(manifest: &Manifest, weights: &[u8], config: &DetectConfig) -> Result<Opened, DetectError> {
    let info = crate::load_runtime(config)?;
    let runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (environment, _) = runtime.as_ref().expect("load_runtime succeeded");
    let on_cpu = || {
        let bad = |error: ort::Error| DetectError::BadWeights {
            at: manifest.line_of("weights"),
            path: manifest.weights.clone(),
            reason: error.to_string(),
        };
        builder(environment, config).map_err(bad)?.commit_from_memory(weights).map_err(bad)
    };
    let session = match dispatch(config)? {
        None => on_cpu()?,
        Some(provider) => {
            let open = || -> ort::Result<OrtSession> {
                builder(environment, config)?.with_execution_providers([provider])?.commit_from_memory(weights)
            };
            match open() {
                Ok(session) => session,
                Err(error) => {
                    // Weights that the CPU cannot run either are no fault of the provider.
                    let session = on_cpu()?;
                    let (provider, reason) = (config.provider, error.to_string());
                    match config.fallback {
                        Fallback::None => {
                            return Err(DetectError::Provider { provider, library: info.path, reason });
                        }
                        Fallback::Cpu => {
                            fell_back(provider, &reason);
                            session
                        }
                    }
                }
            }
        }
    };
    let ports = |outlets: &[ort::value::Outlet]| outlets.iter().map(port).collect();
    let (inputs, outputs) = (ports(session.inputs()), ports(session.outputs()));
    Ok(Opened { model: manifest.name.clone(), session, inputs, outputs })
}

fn builder(environment: &Environment, config: &DetectConfig) -> ort::Result<SessionBuilder> {
    Ok(OrtSession::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(config.threads_per_session.max(1))?
        .with_inter_threads(1)?
        // Cameras are looked at every few seconds: a pool that spins between looks burns the cores of the others.
        .with_intra_op_spinning(false)?)
}

/// Each session falls back for the same reason: the log says it once, the metric for as long as it is so.
fn fell_back(provider: Provider, reason: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| tracing::warn!(%provider, reason, "the provider cannot be had: models run on the CPU"));
    metrics::gauge!("gridwatch_provider_fallback", "provider" => provider.to_string()).set(1.0);
}

/// The execution provider as the config sets it up; none for the CPU, which is always there.
fn dispatch(config: &DetectConfig) -> Result<Option<ExecutionProviderDispatch>, DetectError> {
    let setting = |key, reason: String| DetectError::Setting { key, reason };
    let fp16 = config.precision == Precision::Fp16;
    if fp16 && matches!(config.provider, Provider::Cpu | Provider::Cuda) {
        let reason = format!("provider {} calculates as the weights say; use fp32", config.provider);
        return Err(setting("precision", reason));
    }
    if let Some(device) = config.device.as_ref().filter(|_| config.provider == Provider::Cpu) {
        return Err(setting("device", format!("\"{device}\" is none of provider cpu, which has no devices")));
    }
    let gpu = || match config.device.as_deref().map(str::parse::<i32>) {
        None => Ok(0),
        Some(Ok(number)) if number >= 0 => Ok(number),
        Some(_) => {
            let reason = format!("expected a GPU's number, such as \"0\", for provider {}", config.provider);
            Err(setting("device", reason))
        }
    };
    let cache = match &config.engine_cache {
        Some(path) => {
            std::fs::create_dir_all(path).map_err(|source| DetectError::Io { path: path.clone(), source })?;
            Some(path.display().to_string())
        }
        None => None,
    };
    let dispatch = match config.provider {
        Provider::Cpu => return Ok(None),
        Provider::Cuda => ep::CUDA::default().with_device_id(gpu()?).build(),
        Provider::Tensorrt => {
            let mut provider = ep::TensorRT::default().with_device_id(gpu()?).with_fp16(fp16);
            if let Some(cache) = cache {
                provider = provider.with_engine_cache(true).with_engine_cache_path(&cache);
                provider = provider.with_timing_cache(true).with_timing_cache_path(&cache);
            }
            provider.build()
        }
        Provider::Openvino => {
            let mut provider = ep::OpenVINO::default().with_num_threads(config.threads_per_session.max(1));
            provider = provider.with_precision(if fp16 { "FP16" } else { "FP32" });
            if let Some(device) = &config.device {
                provider = provider.with_device_type(device);
            }
            if let Some(cache) = cache {
                provider = provider.with_cache_dir(cache);
            }
            provider.build()
        }
    };
    Ok(Some(dispatch.error_on_failure()))
}

fn port(outlet: &ort::value::Outlet) -> Port {
    let (dtype, shape) = match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => ("float32".to_owned(), shape.to_vec()),
        ValueType::Tensor { ty: TensorElementType::Int64, shape, .. } => ("int64".to_owned(), shape.to_vec()),
        ValueType::Tensor { ty, shape, .. } => (ty.to_string().to_lowercase(), shape.to_vec()),
        other => (other.to_string(), Vec::new()),
    };
    Port { name: outlet.name().to_owned(), dtype, shape }
}

impl Opened {
    /// Allocates the input tensors: the pictures' of `shape`, and the sizes' with constant content where there is one.
    pub(crate) fn into_session(
        self,
        picture: &str,
        shape: [usize; 4],
        sizes: Option<(&str, [i64; 2])>,
    ) -> Result<Session, DetectError> {
        let model = self.model;
        let failed = |error: ort::Error| DetectError::Inference { model: model.clone(), reason: error.to_string() };
        let zeros = vec![0.0_f32; shape.iter().product()];
        let picture = (picture.to_owned(), OrtTensor::from_array((shape, zeros)).map_err(failed)?);
        let sizes = match sizes {
            Some((name, [w, h])) => {
                let tensor = OrtTensor::from_array(([shape[0], 2], [w, h].repeat(shape[0]))).map_err(failed)?;
                Some((name.to_owned(), tensor))
            }
            None => None,
        };
        Ok(Session { model, session: self.session, picture, sizes })
    }
}

impl Session {
    /// The tensor of the picture, or pictures one after the other, to be written before [`Session::run`].
    pub(crate) fn picture_mut(&mut self) -> &mut [f32] {
        self.picture.1.extract_tensor_mut().1
    }

    /// Runs the model on what the input tensors hold and gives the outputs to `read`.
    pub(crate) fn run<R>(
        &mut self,
        read: impl FnOnce(&Outputs<'_>) -> Result<R, DetectError>,
    ) -> Result<R, DetectError> {
        let model = &self.model;
        let failed = |error: ort::Error| DetectError::Inference { model: model.clone(), reason: error.to_string() };
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> =
            vec![(self.picture.0.as_str().into(), (&self.picture.1).into())];
        if let Some((name, tensor)) = &self.sizes {
            inputs.push((name.as_str().into(), tensor.into()));
        }
        let outputs = self.session.run(inputs).map_err(failed)?;
        let values: Vec<_> = outputs.iter().collect();
        let tensors = values.iter().filter_map(|(name, value)| Some((*name, tensor(value)?))).collect();
        read(&Outputs(tensors))
    }
}

/// None for element types that no decoder reads; a decoder that asks for such an output says so.
fn tensor(value: &DynValue) -> Option<Tensor<'_>> {
    if let Ok((shape, data)) = value.try_extract_tensor::<f32>() {
        return Some(Tensor::Floats { shape, data });
    }
    let (shape, data) = value.try_extract_tensor::<i64>().ok()?;
    Some(Tensor::Longs { shape, data })
}
