import { render } from "preact";
import "../shared/base.css";

render(<main>Darkroom</main>, document.getElementById("page")!);
