//! Colours, lines and letters. The colours are those of Okabe and Ito, which people with any common
//! colour blindness can tell apart; shapes, dashes and hatching repeat what a colour says.

/// Colours of bars before they repeat with another hatching.
pub(super) const COLOURS: usize = 8;
/// Plain, hatched, crossed: coprime with `COLOURS`, so that 24 series differ.
pub(super) const HATCHINGS: usize = 3;

/// Style of charts: light, dark where the reader prefers it, always light on paper.
pub(super) const CHART: &str = "
.p-chart{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;font-variant-numeric:tabular-nums}
.p-paper{fill:#fff}
.p-title,.p-text,.p-value,.p-label,.p-tick,.p-note,.p-none{fill:#1b1f24;font-size:12px}
.p-title{font-size:20px;font-weight:600}
.p-note,.p-tick,.p-none{fill:#57606a}
.p-note{font-size:13px}
.p-none{font-size:18px}
.p-value{font-size:11px}
.p-value,.p-label{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}
.p-value{stroke-width:2px}
.p-label{font-weight:600}
.p-frame,.p-grid,.p-axis,.p-price,.p-liq,.p-act,.p-goal,.p-lead,.p-even,.p-bar-range{fill:none;stroke:#d0d7de;stroke-width:1}
.p-axis{stroke:#6e7781}
.p-lead{stroke:#6e7781}
.p-price{stroke:#1b1f24;stroke-width:1.5;stroke-linejoin:round}
.p-liq{stroke:#d55e00;stroke-width:2.5}
.p-act{stroke:#0072b2;stroke-width:2;stroke-dasharray:8 4}
.p-goal{stroke:#1b1f24;stroke-width:2;stroke-dasharray:2 4}
.p-even{stroke:#1b1f24;stroke-width:1.5;stroke-dasharray:6 4}
.p-band{fill:#56b4e9;fill-opacity:.22;stroke:none}
.p-bar-range{stroke:#1b1f24;stroke-width:1.25}
.p-add,.p-trim,.p-recycle,.p-in,.p-out{stroke:#1b1f24;stroke-width:1;stroke-linejoin:round}
.p-add,.p-f2{fill:#009e73}
.p-trim,.p-f1{fill:#e69f00}
.p-recycle,.p-f5{fill:#cc79a7}
.p-in,.p-f0{fill:#0072b2}
.p-out,.p-f3{fill:#d55e00}
.p-f4{fill:#56b4e9}
.p-f6{fill:#f0e442}
.p-f7{fill:#6e7781}
.p-bar{stroke:#1b1f24;stroke-width:.6}
.p-hatch{stroke:#fff;stroke-width:1.5;stroke-opacity:.7;fill:none}
.p-under{stroke:#fff;fill:none}
.p-close{stroke:#1b1f24;stroke-width:2.5;fill:none}
.p-dead{stroke:#d55e00;stroke-width:4;fill:none}
.p-alone{stroke:#d55e00;stroke-width:1.75;fill:none}
.p-zero{fill:#fff;stroke:#d55e00;stroke-width:2}
@media screen and (prefers-color-scheme:dark){
.p-paper{fill:#14181d}
.p-title,.p-text,.p-value,.p-label{fill:#e8ecf0}
.p-note,.p-tick,.p-none{fill:#a3adb8}
.p-value,.p-label{stroke:#14181d}
.p-frame,.p-grid{stroke:#2f363d}
.p-axis,.p-lead{stroke:#8b949e}
.p-price,.p-goal,.p-even,.p-bar-range,.p-close{stroke:#f0f3f6}
.p-act{stroke:#56b4e9}
.p-add,.p-trim,.p-recycle,.p-in,.p-out{stroke:#f0f3f6}
.p-bar{stroke:#14181d}
.p-in,.p-f0{fill:#2f8fd0}
.p-f7{fill:#b1bac4}
.p-hatch,.p-under{stroke:#14181d}
.p-zero{fill:#14181d}
}
";

/// Style of the page around the charts.
pub(super) const PAGE: &str = "
:root{color-scheme:light dark}
body{margin:0;background:#fff;color:#1b1f24;font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
main{max-width:1000px;margin:0 auto;padding:32px 20px 48px}
h1{font-size:30px;line-height:1.2;margin:0 0 12px}
h2{font-size:21px;line-height:1.3;margin:44px 0 8px}
p{max-width:72ch;margin:0 0 14px}
.lead{font-size:18px;color:#57606a}
figure{margin:18px 0 0}
figure svg{display:block;width:calc(100% + 40px);margin:0 -20px;height:auto}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:0 0 8px}
th,td{padding:5px 10px 5px 0;text-align:left;vertical-align:top;border-bottom:1px solid #d0d7de}
th{font-weight:600;border-bottom:2px solid #6e7781;vertical-align:bottom}
tr>:last-child{padding-right:0}
.n{text-align:right}
td.n,td:first-child{white-space:nowrap}
.cut,footer{color:#57606a;font-size:13px}
footer{margin-top:52px;padding-top:14px;border-top:1px solid #d0d7de}
@media screen and (prefers-color-scheme:dark){
body{background:#14181d;color:#e8ecf0}
.lead,.cut,footer{color:#a3adb8}
th,td{border-color:#2f363d}
th{border-bottom-color:#8b949e}
footer{border-color:#2f363d}
}
@media print{
:root{color-scheme:light}
main{max-width:none;padding:0 20px}
body{font-size:10pt}
h1{font-size:20pt}
h2{font-size:14pt;margin:16px 0 4px}
figure{margin-top:4px}
footer{margin-top:16px}
section,figure,tr{break-inside:avoid}
h2{break-after:avoid}
svg,svg *{-webkit-print-color-adjust:exact;print-color-adjust:exact}
.wide{overflow:visible}
}
";
