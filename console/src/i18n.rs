//! Every word that a page shows, in Chinese and in English, in one table.

mod words;

pub(crate) use words::{level, limit, said};

use std::fmt::Display;

/// A language that the pages exist in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lang {
    /// Simplified Chinese.
    Zh,
    /// English.
    En,
}

impl Lang {
    /// The language that `tag` asks for (`zh`, `zh-CN`, `en-GB`), where the pages exist in it.
    pub(crate) fn from_tag(tag: &str) -> Option<Self> {
        match tag.trim().split('-').next()?.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// The best language of an `Accept-Language` header (RFC 9110, 12.5.4); the first of equals wins.
    pub(crate) fn from_accept(header: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for item in header.split(',') {
            let mut parts = item.split(';');
            let Some(lang) = parts.next().and_then(Self::from_tag) else { continue };
            let weight = parts.find_map(|p| p.trim().strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            if weight > 0.0 && best.is_none_or(|(highest, _)| weight > highest) {
                best = Some((weight, lang));
            }
        }
        best.map(|(_, lang)| lang)
    }

    /// The code in links and in the cookie.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// The BCP 47 tag of pages.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }
}

macro_rules! texts {
    ($($key:ident: $zh:literal, $en:literal;)*) => {
        /// A text of the pages. `{}` stands for a value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Text { $($key),* }

        impl Text {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$key),*];

            /// The text in `lang`.
            pub(crate) fn of(self, lang: Lang) -> &'static str {
                match (self, lang) {
                    $((Self::$key, Lang::Zh) => $zh, (Self::$key, Lang::En) => $en,)*
                }
            }
        }
    };
}

impl Text {
    /// The text in `lang` with `value` in its place.
    pub(crate) fn with(self, lang: Lang, value: impl Display) -> String {
        self.with_all(lang, &[&value])
    }

    /// The text in `lang` with `values` in their places, one after the other.
    pub(crate) fn with_all(self, lang: Lang, values: &[&dyn Display]) -> String {
        values.iter().fold(self.of(lang).to_owned(), |text, value| text.replacen("{}", &value.to_string(), 1))
    }
}

texts! {
    // The frame of every page.
    Tickets: "工单", "Tickets";
    Cameras: "摄像机", "Cameras";
    Sensors: "传感器", "Sensors";
    Skip: "跳到正文", "Skip to content";
    Language: "语言", "Language";
    Navigation: "导航", "Navigation";
    Figures: "运行概况", "Figures";
    NodeIs: "节点 {}", "Node {}";
    TimesIn: "时间均为 {}", "Times are in {}";
    Stale: "连接中断，页面内容可能已过时", "Connection lost: what you see may be out of date";
    FigStreaming: "在线摄像机", "Cameras streaming";
    FigOffline: "离线", "Offline";
    FigLooks: "每秒查看", "Looks per second";
    FigLookLag: "查看延迟 (p99)", "Look lag (p99)";
    LooksStretched: "本机处理能力不足：每 {} 秒查看一次，应为每 {} 秒一次（间隔拉长至 {} 倍）", "This machine cannot keep up: looks come every {} s instead of {} s (stretched by {})";
    RestartNeeded: "配置已更改，重启后才生效的部分：{}", "The configuration was changed; these sections are taken in at a restart: {}";
    FigOpen: "未消除工单", "Open tickets";
    FigOutbox: "待发送消息", "Messages waiting";
    BrokerUp: "消息服务已连接", "Broker connected";
    BrokerDown: "消息服务未连接", "Broker not connected";
    OfTotal: "共 {}", "of {}";

    // Times.
    JustNow: "刚刚", "just now";
    AgoSeconds: "{} 秒前", "{} s ago";
    AgoMinutes: "{} 分钟前", "{} min ago";
    AgoHours: "{} 小时前", "{} h ago";
    AgoDays: "{} 天前", "{} d ago";
    Seconds: "{} 秒", "{} s";
    Minutes: "{} 分", "{} min";
    Hours: "{} 小时", "{} h";
    Days: "{} 天", "{} d";

    // Sensors.
    Sensor: "传感器", "Sensor";
    Measure: "测量项", "Measure";
    Value: "数值", "Value";
    Battery: "电量", "Battery";
    LastSpoke: "最近上报", "Last heard";
    NoSensors: "尚未配置传感器", "No sensors are configured";
    NoSensorsWhy: "在配置的 [sensors] 中列出数据来源和设备", "List sources and devices under [sensors] in the configuration";
    Sources: "数据来源", "Sources";
    Source: "来源", "Source";
    TopicFilter: "主题", "Topic";
    Readings: "读数", "Readings";
    Problems: "问题报文", "Bad messages";
    LastProblems: "最近的问题报文", "Last bad messages";
    Reason: "原因", "Reason";
    Payload: "内容", "Payload";
    When: "时间", "When";
    NoSource: "不属于任何来源", "Fits no source";
    SensorWaiting: "等待首次上报", "Waiting";
    SensorOk: "正常", "Well";
    SensorSilent: "失联", "Silent";
    SensorStuck: "数值不变", "Stuck";
    SensorOutOfRange: "数值越界", "Out of range";
    SensorBatteryLow: "电量低", "Battery low";
    Yes: "是", "Yes";
    No: "否", "No";
    ReadingNoSource: "没有匹配的数据来源", "No source fits the topic";
    ReadingTooLarge: "报文过大", "Too large";
    ReadingNotUtf8: "不是 UTF-8 文本", "Not UTF-8 text";
    ReadingNotJson: "JSON 有误", "Broken JSON";
    ReadingNoValue: "缺少数值", "No value";
    ReadingNoDevice: "缺少设备编号", "No device id";
    ReadingNotANumber: "数值不是数字", "Not a number";
    ReadingOutOfRange: "数值不可能", "Impossible value";
    ReadingUnknownDevice: "未知设备", "Unknown device";
    ReadingUnknownMeasure: "未知测量项", "Unknown measure";
    ReadingNoTime: "时间无法识别，按到达时间计", "Unreadable time; that of arrival counts";
    ReadingClockAhead: "设备时钟偏快，按到达时间计", "Device's clock is ahead; the time of arrival counts";
    ReadingClockBehind: "设备时钟偏慢，按到达时间计", "Device's clock is behind; the time of arrival counts";
    HearingConnecting: "连接中", "Connecting";
    HearingAll: "已订阅", "Listening";
    HearingRefused: "订阅被拒", "Refused";
    HearingAway: "未连接", "Not connected";

    // Ticket list.
    Camera: "摄像机", "Camera";
    CameraHint: "编号或名称", "id or name";
    Kind: "类别", "Kind";
    State: "状态", "State";
    All: "全部", "All";
    Apply: "筛选", "Filter";
    Clear: "清除筛选", "Clear filter";
    Newest: "最新", "Newest";
    Older: "更早的工单", "Older tickets";
    FirstSeen: "首次发现", "First seen";
    Confirmed: "确认", "Confirmed";
    Dwell: "持续时间", "Dwell";
    Delivery: "送达", "Delivery";
    Queued: "等待送达", "Queued";
    QueuedLong: "等待消息服务确认", "Waiting for the broker's acknowledgement";
    DeliveredAt: "已送达", "Delivered";
    NoTicketsYet: "还没有工单", "No tickets yet";
    NoTicketsWhy:
        "当有物体在区域内停留达到规则规定的时间，就会在这里出现一张工单及其图片，并发送到网格化平台。",
        "When something stands in a zone for as long as its rule says, a ticket appears here with its pictures and goes to the grid platform.";
    WatchingNow: "现在有 {} 路摄像机在线，", "Watching now: {} cameras streaming,";
    WatchingZones: "布设区域 {} 个。", "{} zones drawn.";
    NoZones: "还没有布设任何区域：没有区域就不会产生工单。", "No zone is drawn yet: without a zone there will be no ticket.";
    NoneStreaming: "没有摄像机在线，请查看摄像机页面上的错误。", "No camera is streaming: see the errors on the cameras page.";
    NoMatch: "没有符合条件的工单", "No ticket matches";
    NoCameraNamed: "没有编号或名称为“{}”的摄像机", "No camera has the id or name “{}”";
    SeveralCameras: "有多路摄像机符合“{}”，请选择：", "Several cameras match “{}”; choose one:";
    NoThumbnail: "无图片", "No picture";

    // One ticket.
    Pictures: "证据图片", "Evidence pictures";
    Facts: "事实", "Facts";
    Why: "判定理由", "Why";
    Place: "地点", "Place";
    GridCode: "网格编码", "Grid code";
    DutyGrid: "责任网格", "Duty grid";
    Coordinates: "经纬度 (WGS 84)", "Coordinates (WGS 84)";
    Zone: "区域", "Zone";
    LastSeen: "最后发现", "Last seen";
    ClearedAt: "消除时间", "Cleared at";
    LooksHits: "查看 / 命中", "Looks / hits";
    Scores: "得分（中位 / 最高）", "Score (median / best)";
    Things: "检测到的物体", "Things detected";
    Rule: "规则", "Rule";
    RuleVersion: "规则版本", "Rule version";
    Model: "模型", "Model";
    ModelHash: "模型 SHA-256", "Model SHA-256";
    TicketIdLabel: "工单编号", "Ticket id";
    Routing: "责任与时限", "Who answers";
    Dept: "主责部门", "Responsible unit";
    ThirdDept: "三级主责部门", "Third-level unit";
    Level: "响应等级", "Response level";
    DutyItem: "责任清单条目", "Item of the list";
    Codes: "案件代码", "Case codes";
    Arrive: "到场时限", "To arrive";
    Solve: "处置时限", "To solve";
    GreenLight: "绿灯", "Green";
    YellowLight: "黄灯", "Yellow";
    RedLight: "红灯", "Red";
    StoppedAt: "已于 {} 停止计时", "stopped at {}";
    DueUnknown: "时限未知（缺少该年节假日）", "due time unknown (a year without holidays)";
    ClockReturned: "退单，停止计时", "stands: returned";
    ClockSuspended: "挂账，停止计时", "stands: suspended";
    ClockChecked: "核查中，停止计时", "stands: being checked";
    LiftedTo: "已升级为{}", "Lifted to {}";
    DueBy: "应于 {} 前", "by {}";
    Copies: "抄报", "Copies to";
    PhotosNeeded: "立案 / 结案所需照片", "Pictures to open / to close";
    FewToClose: "结案照片不足：应有 {} 张，实有 {} 张。", "Too few pictures to close: {} are needed, there are {}.";
    FewToOpen: "立案照片不足：应有 {} 张，实有 {} 张。", "Too few pictures to open: {} are needed, there are {}.";
    Steps: "处置步骤", "Steps";
    LegalHold: "依法保留", "Legal hold";
    Released: "解除保留", "Released";
    Hold: "保留此案件", "Keep this ticket";
    Release: "解除保留", "Release it";
    HoldWhy:
        "依法保留的案件及其图片不会因到期而删除，直至解除保留。",
        "A ticket on legal hold is kept with its pictures whatever its age, until it is released.";
    ReleaseWhy:
        "解除保留后，案件到期即删除。",
        "Once it is released it goes when it has expired.";
    EvidenceFiles: "证据文件", "Evidence files";
    EvidenceHint: "每个文件以其 SHA-256 为地址，可下载后核对。", "Each file is addressed by its SHA-256; download it and check.";
    Moment: "时刻", "Moment";
    Rendition: "形式", "Rendition";
    File: "文件", "File";
    CapturedAt: "采集时间", "Captured at";
    SizeBytes: "字节", "Bytes";
    PictureSize: "尺寸", "Size";
    DownloadOriginal: "下载原始码流", "Download the original";
    FullSize: "查看原图", "Full size";
    AsJson: "JSON", "JSON";
    NotYet: "尚无", "None yet";
    RoleFirstSeen: "首次发现", "First seen";
    RoleFurther: "补充", "Further";
    RoleConfirming: "确认", "Confirming";
    RoleAfter: "消除后", "After";
    RenditionOriginal: "原始码流", "Original";
    RenditionClean: "原图", "Clean";
    RenditionAnnotated: "标注图", "Annotated";
    StateOpen: "未消除", "Open";
    StateCleared: "已消除", "Cleared";
    TicketEnded: "已终止", "Ended";
    RoleStillThere: "仍在", "Still there";
    RoleOtherView: "另一视角", "Other view";
    RoleUnclear: "无法判定", "Unclear";

    // Where a case stands.
    CaseState: "案件状态", "Case";
    CaseSuspected: "疑似", "Suspected";
    CaseConfirmed: "已确认", "Confirmed";
    CasePendingReview: "待人工核实", "Pending review";
    CaseFiled: "已上报", "Filed";
    CaseDispatched: "已派遣", "Dispatched";
    CaseHandling: "处置中", "In progress";
    CaseHandled: "已处置", "Handled";
    CaseVerifying: "核查中", "Verifying";
    CaseCleared: "核查通过", "Checked: gone";
    CaseStillThere: "核查仍在", "Checked: still there";
    CaseReturned: "退单", "Returned";
    CaseSuspended: "挂账", "Suspended";
    CaseGoneByItself: "自行消除", "Gone by itself";
    CaseRejected: "不予立案", "Rejected";
    CaseClosed: "已结案", "Closed";
    CaseNumber: "案件编号", "Case number";
    Department: "主责部门", "Department";
    Due: "截止时间", "Due";
    Acknowledged: "平台签收", "Acknowledged";
    NotAcknowledged: "平台尚未签收", "Not acknowledged yet";
    NotFiled: "未上报", "Not filed";
    Supervised: "督办", "Supervised";
    ReopenedTimes: "重新打开 {} 次", "reopened {}×";
    History: "办理过程", "History";
    Happening: "事项", "Event";
    By: "操作方", "By";
    Because: "原因", "Why";
    Review: "人工核实", "Review";
    ReviewWhy:
        "此类问题须经人工核实后才上报。请查看图片，然后确认或否决。",
        "Cases of this kind are filed only after a person has looked at them. See the pictures, then confirm or reject.";
    ReviewUntil: "核实期限", "Review until";
    YourName: "姓名", "Your name";
    ReasonLabel: "否决原因", "Reason, if rejected";
    Note: "备注", "Note";
    Confirm: "确认上报", "Confirm and file";
    Reject: "否决", "Reject";
    ReasonFalseAlarm: "误报", "false alarm";
    ReasonLegal: "合法", "legal";
    ReasonDuplicate: "重复", "duplicate";
    ReasonNotResponsible: "非本部门职责", "not responsible";
    ReasonWrongPlace: "地点有误", "wrong place";
    ReasonCannotSolve: "无法解决", "cannot be solved";
    ReasonWeather: "天气原因", "weather";
    ReasonOther: "其他", "other";
    ReasonExpired: "逾期未核实", "nobody reviewed it in time";

    // What happens to a case, and who makes it happen.
    RuleSatisfied: "满足规则", "Rule satisfied";
    ReviewWanted: "转人工核实", "Given to a person";
    WasFiled: "上报", "Filed";
    ReviewConfirmed: "人工确认", "Confirmed by a person";
    ReviewRejected: "人工否决", "Rejected by a person";
    WasGone: "问题消失", "Gone";
    CameBack: "再次出现", "Came back";
    WasAcknowledged: "平台签收", "Acknowledged";
    WasConfirmed: "平台核实", "Confirmed";
    WasDispatched: "派遣", "Dispatched";
    WasHandling: "到场处置", "Work began";
    WasReturned: "退单", "Returned";
    WasHandled: "报已处置", "Said to be handled";
    WasSuspended: "挂账", "Suspended";
    WasResumed: "恢复办理", "Resumed";
    WasExtended: "延期", "Given more time";
    WasSupervised: "督办", "Supervised";
    VerifyRequested: "要求复核", "Second look wanted";
    WasClosed: "结案", "Closed";
    WasRejected: "否决", "Rejected";
    RecheckBegan: "开始核查", "Check began";
    CheckedCleared: "核查：已消除", "Check: gone";
    CheckedStillThere: "核查：仍在", "Check: still there";
    CheckedUnclear: "核查：无法判断", "Check: cannot tell";
    WasExpired: "逾期", "Too late";
    ByRules: "规则", "rules";
    ByClock: "时钟", "clock";
    ByPlatform: "平台", "platform";

    // What nobody understands.
    ProblemsWhat:
        "平台发来而无法理解或不能成立的报文，附原因和报文开头。传感器的问题报文见：",
        "Messages of the platform that could not be understood, or that cannot be, with the reason and their beginning. Those of sensors:";
    ProblemsLately: "最近 24 小时", "in the last 24 hours";
    NoProblems: "没有问题报文", "No bad messages";
    NoProblemsWhy: "平台发来的每条报文都已理解。", "Every message of the platform was understood.";
    OlderProblems: "更早的报文", "Older messages";

    // Zero reports.
    ZeroReport: "零报告", "Zero report";
    ZeroReportWhat:
        "有事报事，无事报平安：每站每项每日一报，并附查看证明。",
        "Each station reports each item once a day: what was found, or that all is well, with the proof that it was looked at.";
    Date: "日期", "Date";
    NoReport: "没有零报告", "No zero report";
    NoReportWhy:
        "在配置的 [zero_report] 中写明站点后，每天到点生成。",
        "Name stations in [zero_report] of the config; reports are made each day at its time.";
    ReportLate: "迟报", "Late";
    ReportMissing: "未报", "Missing";
    ReportMissingWhy:
        "到点未生成：数据库写不进去，原因见日志；恢复后补报，并标为迟报。",
        "It was not made at its time: the database cannot be written, the log says why. It is made up, marked late, as soon as that is mended.";
    ReportMadeAt: "生成于 {}", "made at {}";
    ReportItem: "事项", "Item";
    LooksDoneDue: "已查看 / 应查看", "Looks done / due";
    CamerasUnfit: "未达标摄像机", "Cameras not looked at enough";
    FindingFound: "有事：{} 件", "Found: {}";
    FindingAllWell: "平安", "All well";
    FindingNotProven: "未证实", "Not proven";
    FindingNotByCamera: "由巡查报告", "By patrol";
    Ticket: "工单", "ticket";

    // The responsibility list.
    DutyList: "责任清单", "Responsibilities";
    DutyListWhat:
        "哪类案件在何地何时由谁负责、如何处置、多久办结；工单产生时，由当时生效的条目决定。",
        "Which unit answers for what, where and when, how, and how soon. When a ticket opens, the items in force decide.";
    DutyHint: "编号、地点、部门、代码", "number, place, unit, code";
    DutyHours: "适用时段", "Hours";
    Anywhere: "任何地点", "anywhere";
    Version: "版本", "Version";
    InForceSince: "生效日期", "In force since";
    InForceUntil: "有效期至", "In force until";
    InForce: "生效中", "In force";
    NotYetInForce: "尚未生效", "Not yet in force";
    NoLongerInForce: "已失效", "No longer in force";
    DutyVersions: "历次版本", "Versions";
    ImportedAt: "导入时间", "Imported";
    WhatDiffers: "与上一版的差异", "What differs from the one before";
    FirstVersion: "新增条目", "New item";
    NoDutyMatch: "没有符合条件的条目", "No item matches";
    NoDutyList: "还没有责任清单", "The responsibility list is empty";
    NoDutyListWhy:
        "用 “gridwatch duty import 文件” 导入清单，格式见样例 deploy/samples/duty-xuhui-sample.csv；在此之前由内置类别表决定。",
        "Import one with “gridwatch duty import FILE”; the sample deploy/samples/duty-xuhui-sample.csv shows its form. Until then the built-in table of kinds decides.";

    // The platform's figures.
    CaseFigures: "考核指标", "Figures";
    FiguresWhat:
        "{} 至 {} 发生的案件，按目前状态统计。没有可计案件的比率显示为“-”。",
        "Cases that came about from {} to {}, as they stand now. A rate of no case at all is shown as “-”.";
    Period: "统计时段", "Period";
    FirstDay: "起始日期", "From";
    LastDay: "截止日期", "To";
    LastDays: "最近 {} 天", "Last {} days";
    ThisMonth: "本月", "This month";
    LastMonth: "上月", "Last month";
    Street: "街镇", "Street";
    FiguresBy: "按{}统计", "By {}";
    CasesReceived: "发现", "Found";
    CasesReceivedOf: "满足规则的案件", "cases whose rule was satisfied";
    CasesFiled: "立案", "Filed";
    CasesFiledOf: "已上报平台", "told to the platform";
    ClosingRate: "结案率", "Closing rate";
    ClosingRateOf: "结案 / 应结案", "closed / to be closed";
    ClosingInTimeRate: "按期结案率", "In-time closing rate";
    ClosingInTimeRateOf: "按期结案 / 应结案", "closed in time / to be closed";
    ProactiveShare: "主动发现率", "Found first";
    ProactiveShareOf: "平台此前未知 / 平台已答复", "new to the platform / answered";
    FalseAlarmRate: "误报率", "False alarms";
    FalseAlarmRateOf: "误报 / 已判定", "no case / decided on";
    ReworkRate: "返工率", "Rework";
    ReworkRateOf: "核查仍在 / 报已处置", "still there / said to be handled";
    RepeatRate: "复发率", "Repeats";
    RepeatRateOf: "消除后再现 / 曾消除", "came back / were gone";
    HoursByStage: "各环节用时（小时）", "Hours by stage";
    StageLabel: "环节", "Stage";
    Cases: "案件数", "Cases";
    MedianHours: "中位数", "Median";
    MeanHours: "平均", "Mean";
    ToFiled: "发现至立案", "Found to filed";
    ToDispatched: "立案至派遣", "Filed to dispatched";
    ToHandling: "派遣至到场", "Dispatched to on the spot";
    ToHandled: "到场至处置完毕", "On the spot to handled";
    ToClosed: "处置完毕至结案", "Handled to closed";
    WholeCase: "立案至结案（全程）", "Filed to closed (all of it)";
    RejectedFor: "否决原因", "Rejected for";
    CountsAs: "计为", "Counts as";
    CountsAsFalseAlarm: "误报", "false alarm";
    CountsAsCase: "确有问题", "a case";
    CountsAsUndecided: "未判定", "undecided";
    ShareOfDecided: "占已判定", "Of those decided on";
    FirstOf: "仅列出前 {} 项，共 {} 项；CSV 和 JSON 含全部。", "The first {} of {}; CSV and JSON have all.";
    RecurringPlaces: "反复发生的地点（3 件及以上）", "Places where cases recur (3 and more)";

    // Cameras.
    Search: "搜索", "Search";
    SearchHint: "编号、名称、地址", "id, name, address";
    Since: "状态始于", "Since";
    LastLook: "上次查看", "Last look";
    LookInterval: "查看间隔", "Look interval";
    KeyframeInterval: "关键帧间隔", "Keyframe interval";
    Decoding: "解码", "Decoding";
    DecodeKeyframes: "仅关键帧", "keyframes only";
    DecodeAllFrames: "全部帧", "all frames";
    LastKeyframe: "上个关键帧", "Last keyframe";
    Codec: "编码", "Codec";
    Looks: "查看次数", "Looks";
    Reconnects: "重连", "Reconnects";
    LastError: "最近错误", "Last error";
    Zones: "区域", "Zones";
    Never: "从未", "never";
    Unknown: "未知", "unknown";
    NoCameras: "还没有摄像机", "No cameras yet";
    NoCamerasWhy: "在配置文件中加入摄像机，或用 “gridwatch cameras import” 导入清单。", "Add cameras to the config, or import a list with “gridwatch cameras import”.";
    NoCameraMatch: "没有符合条件的摄像机", "No camera matches";
    PageOf: "第 {} 页", "Page {}";
    OfPages: "共 {} 页", "of {}";
    Previous: "上一页", "Previous";
    Next: "下一页", "Next";
    LatestPicture: "最新画面", "Latest picture";
    LatestAlt: "{} 的最新画面", "Latest picture of {}";
    ZonesDrawn: "区域轮廓", "Zone outlines";
    NoPictureYet: "还没有画面：摄像机尚未送来关键帧。", "No picture yet: the camera has sent no keyframe.";
    NoZonesHere: "此摄像机没有布设区域，不会产生工单。", "No zone is drawn on this camera, so it opens no ticket.";
    ZoneId: "编号", "Id";
    ZoneName: "名称", "Name";
    ZonePurposeLabel: "用途", "Purpose";
    TicketsHere: "此摄像机的工单", "Tickets of this camera";
    NoTicketsHere: "此摄像机还没有工单。", "This camera has no tickets yet.";
    AllTicketsHere: "全部工单", "All its tickets";
    StateWaiting: "等待", "Waiting";
    StateConnecting: "连接中", "Connecting";
    StateStreaming: "在线", "Streaming";
    StateOffline: "离线", "Offline";
    StateEnded: "已结束", "Ended";

    // Camera health.
    Health: "健康状态", "Health";
    AnyHealth: "不限", "Any health";
    AnyFault: "有故障", "With a fault";
    Healthy: "正常", "Well";
    FaultOffline: "长时间离线", "Offline for long";
    FaultUnstable: "频繁掉线", "Unstable connection";
    FaultFrozen: "画面冻结", "Frozen";
    FaultBlind: "遮挡", "Covered";
    FaultDark: "过暗", "Too dark";
    FaultBlurred: "模糊", "Blurred";
    FaultMoved: "视角移位", "Moved";
    FaultKeyframes: "关键帧间隔过长", "Keyframes too far apart";
    FaultClock: "时钟偏差", "Clock off";
    ClockOffset: "摄像机时钟快于本机", "Camera clock ahead by";
    Suspended: "此摄像机的工单已暂停：画面不可信，不新立也不消除工单。", "Tickets of this camera are suspended: what it shows cannot be trusted, so none is opened and none is cleared.";
    SinceTime: "自 {} 起", "since {}";
    Reference: "基准画面", "Reference picture";
    ReferenceAlt: "{} 的基准画面", "Reference picture of {}";
    ReferenceHint: "移位和模糊按此画面判断。摄像机被有意调整后，请重新布设区域，再重新采集基准画面。", "Whether the camera has moved or is blurred is judged by this picture. After it was moved on purpose, draw its zones anew, then take a new one.";
    NoReference: "尚无基准画面：学习完成且画面正常后自动采集。", "None yet: one is taken once the view is learnt and nothing is wrong.";
    TakeReference: "重新采集基准画面", "Take a new one";

    // Zone purposes.
    TrafficLane: "机动车道", "Traffic lane";
    NoStopping: "禁停区", "No stopping";
    FireLane: "消防通道", "Fire lane";
    BusStop: "公交站", "Bus stop";
    BicycleLane: "非机动车道", "Bicycle lane";
    LoadingBay: "装卸区", "Loading bay";
    Pavement: "人行道", "Pavement";
    NoVending: "禁止摆摊区", "No vending";
    ShopLine: "店外区域", "Shop line";
    GarbagePoint: "垃圾投放点", "Garbage point";
    Bin: "垃圾箱", "Bin";
    TactilePath: "盲道", "Tactile path";
    Indoors: "室内", "Indoors";
    Surroundings: "传感器周边", "Around a sensor";

    // Trouble.
    NotFoundTitle: "没有这个页面", "Not found";
    NotFoundWhy: "此地址没有内容：工单、摄像机或文件不存在，或链接已失效。", "There is nothing at this address: the ticket, camera or file does not exist, or the link is out of date.";
    BadRequestTitle: "请求有误", "Bad request";
    MethodTitle: "不支持此操作", "Method not allowed";
    MethodWhy: "此地址只能读取（GET）。", "This address can only be read (GET).";
    InternalTitle: "服务器出错", "Something went wrong";
    InternalWhy: "错误已写入日志。请稍后再试；若一直出现，请告知运维人员。", "The error is in the log. Try again in a moment; tell operations if it stays.";
    ForeignTitle: "已拒绝", "Refused";
    ForeignWhy: "此操作只能在本站页面上进行。", "This can only be done from a page of this site.";
    BusyTitle: "暂时繁忙", "Busy";
    BusyWhy: "此刻来不及回答，请稍后再试。", "There was no time to answer. Try again in a moment.";
    BackHome: "返回工单列表", "Back to the tickets";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_there_in_both_languages_and_takes_the_same_values() {
        for text in Text::ALL {
            let (zh, en) = (text.of(Lang::Zh), text.of(Lang::En));
            assert!(!zh.is_empty() && !en.is_empty(), "{text:?}");
            assert_eq!(zh.matches("{}").count(), en.matches("{}").count(), "{text:?}");
            let han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
            assert!(!en.contains(han), "{text:?} is Chinese in the English table");
            assert!(zh.contains(han) || zh == en, "{text:?} is not Chinese in the Chinese table");
        }
    }

    #[test]
    fn every_verdict_has_words() {
        for kind in alerts::case::VerdictKind::ALL {
            assert!(Text::event(kind.as_str()).is_some(), "{kind}");
        }
    }

    #[track_caller]
    fn check_accept(header: &str, expect: Option<Lang>) {
        assert_eq!(Lang::from_accept(header), expect, "{header:?}");
    }

    #[test]
    fn the_browsers_best_language_wins() {
        check_accept("zh-CN,zh;q=0.9,en;q=0.8", Some(Lang::Zh));
        check_accept("en-GB,en;q=0.9,zh;q=0.8", Some(Lang::En));
        check_accept("fr,de;q=0.9,zh;q=0.3,en;q=0.2", Some(Lang::Zh));
        check_accept("en;q=0.1, zh;q=0.7", Some(Lang::Zh));
        check_accept("zh;q=0, en", Some(Lang::En));
        check_accept("fr", None);
        check_accept("", None);
        check_accept(";;q=,,", None);
    }
}
